"""Loss of the preferred datacentre: the remote site takes over, then hands back.

``sight`` looks and changes nothing, ``bound`` says what may be lost, ``plan`` what forbids it,
``fence``, ``quorum`` and ``promote`` take over, ``failback`` hands back. ``journal`` is what an
interrupted command finds again.
"""
