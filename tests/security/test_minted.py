"""Certificates that only differ by one thing from one that is served: that thing decides.

Revoked certificates are not here, on purpose: no component of this cluster reads a revocation
list, none is produced, and nothing pretends otherwise. The answer to a stolen key is the short
life of certificates (CERT_DAYS) and the renewal of a whole plane (docs/securite.md).

The names that the tunnel asks for are tried in tests/haproxy/test_tunnel_peers.py; etcd's, in
tests/etcd/test_minted.py and test_etcd_names.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from citadelle import pki_files
from citadelle.doors import Door
from citadelle.topology import Role, Topology
from citadelle.workspace import Home
from tests.probes import minted
from tests.probes.sqlstate import NOT_ALLOWED
from tests.probes.tls import judgement, passes
from tests.security import _matrix, _minted
from tests.security._matrix import every
from tests.security._minted import FAULTS

# Go has fewer words for it than OpenSSL (crypto/tls, processCertsFromClient): a forged signature
# is an unknown authority's, every wrong date an expiry, every other fault a bad certificate.
OPENSSL = {
    "self-signed": "UNKNOWN_CA",
    "unknown authority of the same name": "UNKNOWN_CA",
    "forged signature": "DECRYPT_ERROR",
    "expired": "CERTIFICATE_EXPIRED",
    "not yet valid": "BAD_CERTIFICATE",
    "server's usage": "UNSUPPORTED_CERTIFICATE",
}
GO = OPENSSL | {
    "forged signature": "UNKNOWN_CA",
    "not yet valid": "CERTIFICATE_EXPIRED",
    "server's usage": "BAD_CERTIFICATE",
}
# Neither a load balancer's, a member's nor the operator's: a near miss, another case, nobody.
OTHER_NAMES = ["haproxy3", "haproxy", "patroni.pg4", "OPERATOR", "operator ", "pg1", ""]


@every(lambda door: door.client_plane is not None)
def test_minted_certificate_passes(topology: Topology, home: Home, door: Door) -> None:
    """Right in everything, though issued by nobody: the refusals below come from their fault."""
    pair = minted.issued(home, _minted.served(topology, door))
    assert passes(_minted.shown(home, door, pair), door, door.places(topology)[0])


@pytest.mark.parametrize("fault", FAULTS)
@every(lambda door: door.client_plane is not None)
def test_faulty_certificate_is_refused(
    topology: Topology, home: Home, door: Door, fault: str
) -> None:
    """The right name does not help."""
    authority = minted.authority(home, str(door.client_plane))
    tls = _minted.shown(home, door, FAULTS[fault](_minted.served(topology, door), authority))
    places = door.places(topology)
    found = {place: judgement(tls, door, place) for place in places}
    assert found == dict.fromkeys(places, (GO if door.guard is Role.ETCD else OPENSSL)[fault])


@pytest.mark.parametrize("name", OTHER_NAMES)
@every(lambda door: door.name == "rest")
def test_other_name_is_forbidden_by_the_guard(
    topology: Topology, home: Home, door: Door, name: str
) -> None:
    """The right authority is not enough: the guard knows its clients by their names."""
    spec = replace(_minted.served(topology, door), common_name=name, dns=("probe",))
    tls = _minted.shown(home, door, minted.issued(home, spec))
    places = door.places(topology)
    found = {place: _matrix.status(tls, place, "/primary") for place in places}
    assert found == dict.fromkeys(places, httpx.codes.FORBIDDEN)


@every(lambda door: door.client_plane == "pg-client")
def test_superuser_s_name_opens_nothing(
    topology: Topology, home: Home, door: Door, tmp_path: Path
) -> None:
    """A certificate in the superuser's name: PostgreSQL never takes one for a password."""
    user = topology.settings.postgres_user
    spec = replace(_minted.served(topology, door), name="probe", common_name=user)
    thief = Home(tmp_path)  # libpq reads keys from files; this one goes with the test's own
    pair = minted.issued(home, spec)
    pki_files.write(thief, spec.plane, spec.name, pair)
    stem = thief.pki / spec.plane / spec.name
    shown = {"sslcert": f"{stem}.crt", "sslkey": f"{stem}.key", "user": user, "dbname": "postgres"}
    try:
        places = door.places(topology)
        found = {place: _matrix.login(home, door, place, **shown).code for place in places}
    finally:
        stem.with_suffix(".key").unlink()
    assert found == dict.fromkeys(places, NOT_ALLOWED)
