"""What the cluster's own roles could do if a thief were in as one of them: nothing more.

Least privilege is the second lock, behind the doors of test_internal_roles.py.
"""

from __future__ import annotations

import functools

import pytest

from citadelle.patroni import Patroni
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import postgres
from tests.probes.sqlstate import DENIED, ENTERED
from tests.security import _as_role, _logins

INTERNAL = ("replicator", "rewind", "pgbouncer_auth")
ROLES = (*INTERNAL, "monitoring")
# For the application's database; `citadelle_ready` is made by every `invoke up`.
STATEMENTS = {
    "read an application's table": "SELECT * FROM public.citadelle_ready",
    "write an application's table": "INSERT INTO public.citadelle_ready DEFAULT VALUES",
    "read the schema's version": "SELECT * FROM citadelle.schema_version",
    "read verifiers": "SELECT rolpassword FROM pg_authid",
    "read verifiers by the view": "SELECT passwd FROM pg_shadow",
    "create a table": "CREATE TABLE public.probe (x int)",
    "create a temporary table": "CREATE TEMPORARY TABLE probe (x int)",
    "create a schema": "CREATE SCHEMA probe",
    "create a table in citadelle": "CREATE TABLE citadelle.probe (x int)",
    "shadow the lookup": (
        "CREATE FUNCTION citadelle.pgbouncer_lookup(name) RETURNS int LANGUAGE sql AS 'SELECT 1'"
    ),
    "become the application": 'SET LOCAL ROLE "{app}"',
    "become superuser": 'SET LOCAL ROLE "{postgres}"',
    "change a password": 'ALTER ROLE "{app}" PASSWORD NULL',
    "run a program": "COPY (SELECT 1) TO PROGRAM 'true'",
    "write a file": "COPY (SELECT 1) TO '/run/postgresql/probe'",
    "end a session": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{postgres}'"
    ),
    "reload": "SELECT pg_reload_conf()",
    "promote": "SELECT pg_promote()",
}
# Only the rewind reads files of the data directory: it is what a rewind is.
FILES = {
    "read a file": "SELECT pg_read_file('PG_VERSION')",
    "read a binary file": "SELECT pg_read_binary_file('PG_VERSION')",
    "list a directory": "SELECT pg_ls_dir('.')",
}
LOOKUP = {"look up": "SELECT * FROM citadelle.pgbouncer_lookup('{app}')"}


@pytest.fixture(scope="module")
def primary(topology: Topology, home: Home) -> str:
    """The primary, where a statement fails for its right and not for being a write."""
    name = Patroni(topology, home).leader()
    assert name is not None
    return name


@functools.cache
def _states(topology: Topology, primary: str, role: str) -> dict[str, str]:
    return _as_role.states(topology, primary, role, STATEMENTS | FILES | LOOKUP)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("role", ROLES)
def test_role_may_not(topology: Topology, primary: str, role: str, statement: str) -> None:
    """No data, no verifier, no object, no order, no escalation."""
    assert _states(topology, primary, role)[statement] == DENIED


@pytest.mark.parametrize("statement", FILES)
@pytest.mark.parametrize("role", ["replicator", "pgbouncer_auth", "monitoring"])
def test_role_reads_no_file(topology: Topology, primary: str, role: str, statement: str) -> None:
    """The data directory holds every table."""
    assert _states(topology, primary, role)[statement] == DENIED


@pytest.mark.parametrize(
    ("role", "state"),
    [("pgbouncer_auth", ENTERED), *((role, DENIED) for role in ROLES if role != "pgbouncer_auth")],
)
def test_lookup_is_one_role_s(topology: Topology, primary: str, role: str, state: str) -> None:
    """The counter-proof of the refusals above: what a role is for passes by the same way."""
    assert _states(topology, primary, role)["look up"] == state


@pytest.mark.parametrize("role", [*INTERNAL, "app"])
def test_role_is_member_of_nothing(topology: Topology, primary: str, role: str) -> None:
    """No predefined role (pg_read_all_data, pg_execute_server_program...) was lent to it."""
    user, _ = _logins.login(topology.settings, role)
    sql = f"SELECT roleid::regrole FROM pg_auth_members WHERE member = '{user}'::regrole;"  # noqa: S608  # ours
    assert postgres.rows(topology, primary, sql) == []


def test_lookup_executes_one_function(topology: Topology, primary: str) -> None:
    """In the internal schema, the lookup and nothing that a later version would add."""
    user, _ = _logins.login(topology.settings, "pgbouncer_auth")
    sql = (
        "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'citadelle'::regnamespace"  # noqa: S608  # ours
        f" AND has_function_privilege('{user}', oid, 'EXECUTE');"
    )
    found = postgres.rows(topology, primary, sql, database=topology.settings.app_database)
    assert found == ["citadelle.pgbouncer_lookup(text)"]


def test_lookup_connects_to_one_database(topology: Topology, primary: str) -> None:
    """The application's, among those that take connections."""
    user, _ = _logins.login(topology.settings, "pgbouncer_auth")
    sql = (
        "SELECT datname FROM pg_database WHERE datallowconn"  # noqa: S608  # ours
        f" AND has_database_privilege('{user}', oid, 'CONNECT');"
    )
    assert postgres.rows(topology, primary, sql) == [topology.settings.app_database]


# What a name that is almost an internal role's could make the lookup give; {} is the name.
ALMOST = ("{}", '"{}"', "{} ", "%", "_%", "", "{}' OR '1'='1", "pg_monitor", "pg_read_all_data")


@pytest.mark.parametrize("role", ["postgres", *INTERNAL])
def test_lookup_gives_nothing_almost_like(topology: Topology, primary: str, role: str) -> None:
    """A name is compared, not matched or spelled: no verifier of an internal role comes out."""
    user, _ = _logins.login(topology.settings, role)
    names = ", ".join("(" + _quoted(name.format(user)) + ")" for name in ALMOST)
    sql = f"SELECT n FROM (VALUES {names}) AS v(n), citadelle.pgbouncer_lookup(n);"  # noqa: S608  # quoted
    assert postgres.rows(topology, primary, sql, database=topology.settings.app_database) == []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
