"""Every certificate of the inventory at every door that is not its own.

Whoever steals a component's key gets that component's own conversations, and no other. TLS
refuses with an alert; the alert is part of the fact, so that a refusal for another reason (a
dead port, an expired certificate) does not pass for the right one.
"""

from __future__ import annotations

import pytest

from citadelle.doors import Demand, Door
from citadelle.inventory import Certificate, certificates
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.probes.sqlstate import NOT_ALLOWED, WRONG_PASSWORD
from tests.probes.tls import at_once, judgement, passes
from tests.security import _matrix
from tests.security._matrix import CERTIFICATES, OPEN, every, named

REQUIRED = [door for door in OPEN if door.demand is Demand.REQUIRED]
CROSSED = [
    (door, certificate)
    for door in OPEN
    for certificate in CERTIFICATES
    if door.demand is not Demand.NEVER and not door.passes(certificate)
]
# One of each role that PostgreSQL knows by a certificate.
ROLES = ["replicator.pg1", "rewind.pg1", "pgbouncer1"]
UNAUTHORIZED, FORBIDDEN = 401, 403


@pytest.mark.parametrize(("door", "certificate"), CROSSED, ids=named)
def test_certificate_of_another_door_is_refused(
    topology: Topology, home: Home, door: Door, certificate: Certificate
) -> None:
    """Another plane's authority is unknown there; a server's certificate makes no client."""
    tls = _matrix.context(home, door, home.pki / certificate.plane / certificate.name)
    alert = "UNSUPPORTED_CERTIFICATE" if certificate.plane == door.client_plane else "UNKNOWN_CA"
    places = door.places(topology)
    found = {place: judgement(tls, door, place) for place in places}
    assert found == dict.fromkeys(places, alert)


@every(lambda door: door.demand is Demand.REQUIRED)
def test_no_certificate_is_refused(topology: Topology, home: Home, door: Door) -> None:
    """Being on the network proves nothing."""
    tls = _matrix.context(home, door)
    places = door.places(topology)
    found = {place: judgement(tls, door, place) for place in places}
    assert found == dict.fromkeys(places, "CERTIFICATE_REQUIRED")


@pytest.mark.parametrize("door", REQUIRED, ids=named)
def test_own_certificates_pass(topology: Topology, home: Home, door: Door) -> None:
    """The refusals above are not a dead port, nor an authority that refuses everything."""
    place = door.places(topology)[0]

    def taken(name: str) -> bool:
        tls = _matrix.context(home, door, home.pki / str(door.client_plane) / name)
        return passes(tls, door, place)

    assert at_once(taken, door.accepts) == dict.fromkeys(door.accepts, True)


@pytest.mark.parametrize("certificate", CERTIFICATES, ids=named)
@every(lambda door: door.demand is Demand.NEVER)
def test_certificate_is_no_password(
    topology: Topology, home: Home, door: Door, certificate: Certificate
) -> None:
    """Where no certificate is asked for, showing one changes nothing: the password is."""
    tls = _matrix.context(home, door, home.pki / certificate.plane / certificate.name)
    places = door.places(topology)
    found = {place: _matrix.status(tls, place) for place in places}
    assert found == dict.fromkeys(places, UNAUTHORIZED)


@pytest.mark.parametrize("pod", PG)
@every(lambda door: door.name == "rest")
def test_gateway_s_certificate_is_forbidden(
    topology: Topology, home: Home, door: Door, pod: str
) -> None:
    """The right plane, but the name is for that gateway's own Patroni: nothing is served."""
    tls = _matrix.context(home, door, home.pki / "rest" / f"gateway.{pod}")
    places = door.places(topology)
    found = {place: _matrix.status(tls, place, "/primary") for place in places}
    assert found == dict.fromkeys(places, FORBIDDEN)


@pytest.mark.parametrize("name", ROLES)
@every(lambda door: door.client_plane == "pg-client")
def test_certificate_of_a_role_opens_nothing_elsewhere(
    topology: Topology, home: Home, door: Door, name: str
) -> None:
    """A stolen certificate passes TLS; its role is refused from here, before any password."""
    stem = home.pki / "pg-client" / name
    role = next(c.common_name for c in certificates(topology) if c.name == name)
    shown = {"sslcert": f"{stem}.crt", "sslkey": f"{stem}.key", "user": role, "dbname": "postgres"}
    places = door.places(topology)
    found = {place: _matrix.login(home, door, place, **shown).code for place in places}
    assert found == dict.fromkeys(places, NOT_ALLOWED)


@every(lambda door: door.client_plane == "pg-client")
def test_certificate_is_no_application_s_password(
    topology: Topology, home: Home, door: Door
) -> None:
    """PgBouncer's certificate does not replace the application's password."""
    stem, s = home.pki / "pg-client" / "pgbouncer1", topology.settings
    shown = {"sslcert": f"{stem}.crt", "sslkey": f"{stem}.key"}
    wrong = {"user": s.app_user, "password": "not-the-password-at-all", "dbname": s.app_database}
    places = door.places(topology)
    found = {place: _matrix.login(home, door, place, **shown, **wrong).code for place in places}
    assert found == dict.fromkeys(places, WRONG_PASSWORD)
