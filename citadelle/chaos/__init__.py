"""Faults provoked on purpose on a cluster under load, and what was seen of them.

``fault`` says what a fault is, ``faults_*`` are the faults by family, ``catalogue`` lists them;
``containers``, ``processes``, ``cuts``, ``volumes`` and ``rejoin`` are the hands, ``watch`` and
``judge`` the eyes, ``run`` plays one fault after the other, ``report`` writes what happened.
"""
