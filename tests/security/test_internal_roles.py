"""The cluster's own roles: replication, rewind, PgBouncer's lookup, with all their proofs stolen.

Each has a password, a certificate and an address; here the thief has the first two and tries
from where he is. What a role could do once in is in test_internal_rights.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from citadelle.topology import PG, PGBOUNCER, Topology
from citadelle.workspace import Home
from tests.probes import logs, sqlstate
from tests.probes.sqlstate import DENIED, ENTERED, NOT_ALLOWED, WRONG_PASSWORD
from tests.security import _logins, _tunnel
from tests.security._logins import DOORS, Door

# The roles, and the certificate of plane pg-client that a thief would show.
CERTIFICATES = {
    "replicator": "replicator.pg1",
    "rewind": "rewind.pg1",
    "pgbouncer_auth": PGBOUNCER[0],
}
DIRECT = [door for door in DOORS if door.direct]
WAYS: dict[str, dict[str, str]] = {
    "application": {},
    "postgres": {"dbname": "postgres"},
    "replication": {"dbname": "", "replication": "true"},
    "logical replication": {"replication": "database"},
}


def _stem(home: Home, role: str) -> Path:
    return home.pki / "pg-client" / CERTIFICATES[role]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("role", CERTIFICATES)
@pytest.mark.parametrize("door", DIRECT, ids=lambda door: f"{door.service}@{door.node}")
def test_role_is_refused_outside(
    topology: Topology, home: Home, door: Door, role: str, way: str
) -> None:
    """Password and certificate from an application's place: the address is missing."""
    user, password = _logins.login(topology.settings, role)
    stem = _stem(home, role)
    proofs = {"user": user, "password": password} | _logins.certificate(stem)
    answer = sqlstate.attempt(_logins.place(topology, home, door) | proofs | WAYS[way])
    assert (answer.code, "rejects" in answer.words) == (NOT_ALLOWED, True)


@pytest.mark.parametrize("way", ["replication", "logical replication"])
@pytest.mark.parametrize("door", DIRECT[:4], ids=lambda door: f"{door.service}@{door.node}")
def test_application_does_not_replicate(
    topology: Topology, home: Home, door: Door, way: str
) -> None:
    """An application's own password copies no cluster and decodes no journal."""
    answer = sqlstate.attempt(_logins.place(topology, home, door) | WAYS[way])
    # pg_hba.conf names no replication for it; a logical one is the role's lack of the attribute.
    strict = topology.settings.pooling == "strict"
    denied = NOT_ALLOWED if way == "replication" or strict else DENIED
    assert answer.code == denied


# --- The pooler's address, which a stolen tunnel key can claim -----------------------------------


def _from_pooler(topology: Topology, home: Home, role: str, shown: str | None) -> sqlstate.Answer:
    """Come from a pooler's claimed address, with a role's stolen certificate or none."""
    claimed = str(topology.address(PGBOUNCER[0], "pool"))
    stem = _stem(home, shown) if shown else None
    return _tunnel.attempt(topology, home, PG[0], claimed, role, shown=stem)


def test_three_thefts_are_the_lookup(topology: Topology, home: Home) -> None:
    """Address, certificate and password: the refusals below each lack one of them."""
    answer = _from_pooler(topology, home, "pgbouncer_auth", "pgbouncer_auth")
    assert answer.code == ENTERED


def test_lookup_wants_a_certificate(topology: Topology, home: Home) -> None:
    """The right address and password alone."""
    answer = _from_pooler(topology, home, "pgbouncer_auth", None)
    assert (answer.code, "valid client certificate" in answer.words) == (NOT_ALLOWED, True)


@pytest.mark.parametrize("shown", ["replicator", "rewind"])
def test_lookup_wants_its_own_certificate(topology: Topology, home: Home, shown: str) -> None:
    """Another role's does not do; PostgreSQL only tells its log that it is not the password."""
    since = datetime.now(UTC)
    answer = _from_pooler(topology, home, "pgbouncer_auth", shown)
    assert answer.code == WRONG_PASSWORD
    user, _ = _logins.login(topology.settings, "pgbouncer_auth")
    words = f'certificate validation (clientcert=verify-full) failed for user "{user}"'
    logs.wait(topology, [PG[0]], since, words, "CN mismatch")


@pytest.mark.parametrize("role", ["app", "monitoring"])
def test_applications_from_the_poolers_address_want_a_certificate(
    topology: Topology, home: Home, role: str
) -> None:
    """The pooler's lines of pg_hba.conf are for whoever holds a pooler's key."""
    answer = _from_pooler(topology, home, role, None)
    assert (answer.code, "valid client certificate" in answer.words) == (NOT_ALLOWED, True)


@pytest.mark.parametrize("role", ["replicator", "rewind"])
def test_pooler_is_no_pod(topology: Topology, home: Home, role: str) -> None:
    """Replication does not come from a pooler's address, whatever certificate it shows."""
    answer = _from_pooler(topology, home, role, role)
    assert (answer.code, "rejects" in answer.words) == (NOT_ALLOWED, True)
