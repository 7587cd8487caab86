"""Roles and grants of PostgreSQL: the least for each, and what PgBouncer may look up.

What each role is refused when it tries: tests/security (test_internal_rights.py,
test_application_sql.py).
"""

from __future__ import annotations

import pytest

from citadelle import accounts
from citadelle.topology import Topology
from tests.probes import postgres

POWERS = ["rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls"]
PLAIN = ["app", "monitoring", "pgbouncer_auth", "rewind"]


def _user(topology: Topology, kind: str) -> str:
    return str(getattr(topology.settings, f"{kind}_user"))


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("kind", PLAIN)
def test_role_lacks_power(topology: Topology, leader: str, kind: str, power: str) -> None:
    """A stolen application or monitoring password administers nothing."""
    sql = f"SELECT {power} FROM pg_roles WHERE rolname = '{_user(topology, kind)}';"  # noqa: S608  # ours
    assert postgres.rows(topology, leader, sql) == ["f"]


def test_one_superuser(topology: Topology, leader: str) -> None:
    """No second superuser was left behind."""
    sql = "SELECT rolname FROM pg_roles WHERE rolsuper;"
    assert postgres.rows(topology, leader, sql) == [_user(topology, "postgres")]


def test_login_roles_are_those_of_env(topology: Topology, leader: str) -> None:
    """Nobody else can log in."""
    kinds = (*accounts.PATRONI_ROLES, *accounts.OWN_ROLES)
    sql = "SELECT rolname FROM pg_roles WHERE rolcanlogin;"
    assert set(postgres.rows(topology, leader, sql)) == {_user(topology, kind) for kind in kinds}


def test_passwords_are_scram(topology: Topology, leader: str) -> None:
    """A stolen copy of the catalogue gives neither a password nor an md5 that logs in."""
    sql = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL"
    sql += " AND rolpassword NOT LIKE 'SCRAM-SHA-256$%';"
    assert postgres.rows(topology, leader, sql) == []


def test_every_login_role_has_a_password(topology: Topology, leader: str) -> None:
    """... none is left without one."""
    sql = "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL;"
    assert postgres.rows(topology, leader, sql) == []


@pytest.mark.parametrize("right", ["CONNECT", "CREATE", "TEMPORARY"])
def test_public_has_no_right_on_databases(topology: Topology, leader: str, right: str) -> None:
    """A new role enters nowhere before it is invited."""
    sql = "SELECT datname FROM pg_database WHERE datallowconn"
    sql += f" AND has_database_privilege('public', oid, '{right}');"
    assert postgres.rows(topology, leader, sql) == []


def _lookup(topology: Topology, leader: str, login: str) -> list[str]:
    sql = f"SELECT left(passwd, 14) FROM citadelle.pgbouncer_lookup('{login}');"  # noqa: S608  # ours
    return postgres.rows(topology, leader, sql, database=topology.settings.app_database)


@pytest.mark.parametrize("kind", ["app", "monitoring"])
def test_lookup_gives(topology: Topology, leader: str, kind: str) -> None:
    """The applications' verifiers are what PgBouncer needs."""
    assert _lookup(topology, leader, _user(topology, kind)) == ["SCRAM-SHA-256$"]


@pytest.mark.parametrize("kind", ["app", "monitoring", "rewind", "replicator"])
def test_only_pgbouncer_looks_up(topology: Topology, leader: str, kind: str) -> None:
    """No application reads another's verifier."""
    function = "'citadelle.pgbouncer_lookup(text)', 'EXECUTE'"
    sql = f"SELECT has_function_privilege('{_user(topology, kind)}', {function});"
    database = topology.settings.app_database
    assert postgres.rows(topology, leader, sql, database=database) == ["f"]


def test_ensure_changes_nothing_again(topology: Topology, leader: str) -> None:
    """A second ``invoke up`` writes nothing: what is there is what .env says."""
    assert accounts.ensure(topology, leader) is False
