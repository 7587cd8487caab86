"""What each door shows: a certificate of its own plane and name, that no other plane vouches for.

Whoever steals a key cannot pass for another component, nor another authority for this one.
"""

from __future__ import annotations

import ssl

import pytest
from cryptography import x509

from citadelle import x509_policy
from citadelle.doors import Door
from citadelle.inventory import PLANES, certificates
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes.tls import inside
from tests.security import _matrix
from tests.security._matrix import OPEN, every, named

WRONG_AUTHORITY = [(d, plane) for d in OPEN for plane in PLANES if plane != d.server_plane]


@every(lambda _: True)
def test_door_shows_its_own_certificate(topology: Topology, home: Home, door: Door) -> None:
    """Signed by its plane, for its node, with the inventory's names and usages, nothing more."""
    tls = _matrix.context(home, door)
    specs = {c.name: c for c in certificates(topology) if c.plane == door.server_plane}
    for place in door.places(topology):
        with inside(tls, door, place) as connection:
            shown = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
        wanted = [specs[name] for name in door.shows(place.node)]
        assert any(not [*x509_policy.leaf_differences(shown, spec)] for spec in wanted), place


@pytest.mark.parametrize(("door", "plane"), WRONG_AUTHORITY, ids=named)
def test_other_plane_does_not_vouch(topology: Topology, home: Home, door: Door, plane: str) -> None:
    """A client that trusts another plane alone does not speak to this door."""
    tls = ssl.create_default_context(cafile=str(home.pki / plane / "ca.crt"))
    for place in door.places(topology):
        with (
            pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"),
            inside(tls, door, place),
        ):
            pytest.fail(f"{place} est accepté")
