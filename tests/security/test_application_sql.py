"""The application's role in the wrong hands (an SQL injection, a stolen password): SQL alone.

It owns its data; it must get neither the machine, nor another role, nor what the cluster is made
of. Every statement of _application.py is refused, and with the SQLSTATE that is written there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from citadelle import accounts, connect
from citadelle.topology import HAPROXY, Topology
from citadelle.workspace import Home
from tests.probes import sqlstate
from tests.probes.sqlstate import DENIED
from tests.security import _application, _logins
from tests.security._application import ALL, ALONE
from tests.security._logins import Door

# What statements refer to; gone with the transaction.
PROPS = """
CREATE TEMPORARY TABLE t (x text);
CREATE FUNCTION pg_temp.evil() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
"""
# Through the pooler and on a replica the judge is the same: the first of each kind is enough.
SAMPLE = [next(iter(table)) for table in _application.TABLES]
# What a replica answers too, where every write is refused for being one.
READS = [
    *(sql for sql in _application.PROGRAMS_AND_FILES if "pg_temp" not in sql),
    *_application.SECRETS,
    "SELECT pg_promote()",
    "SELECT pg_wal_replay_pause()",
    "SELECT pg_reload_conf()",
]


def _entrance(topology: Topology, *, read_only: bool = False) -> str:
    """Return the application's service: with POOLING=strict, only the poolers let it in."""
    strict = topology.settings.pooling == "strict"
    return ("pooled_" if strict else "") + "ro" if read_only else "pooled" if strict else "rw"


@functools.cache
def _users(topology: Topology) -> dict[str, str]:
    s = topology.settings
    names = {account: _logins.login(s, account)[0] for account in _logins.ACCOUNTS}
    return names | {"database": s.app_database}


def _opened(topology: Topology, home: Home, service: str) -> Iterator[psycopg.Connection[Any]]:
    with connect.connection(topology, home, service) as connection:
        yield connection


@pytest.fixture(scope="module")
def primary(topology: Topology, home: Home) -> Iterator[psycopg.Connection[Any]]:
    """The application's session on the primary."""
    yield from _opened(topology, home, _entrance(topology))


@pytest.fixture(scope="module")
def replica(topology: Topology, home: Home) -> Iterator[psycopg.Connection[Any]]:
    """... on a replica."""
    yield from _opened(topology, home, _entrance(topology, read_only=True))


@pytest.fixture(scope="module")
def pooled(topology: Topology, home: Home) -> Iterator[psycopg.Connection[Any]]:
    """... through a pooler."""
    yield from _opened(topology, home, "pooled")


def _state(topology: Topology, connection: psycopg.Connection[Any], sql: str) -> str:
    """Run a statement, undo it, return its SQLSTATE: ENTERED when it is not refused."""
    order = sql.format(**_users(topology)).encode()
    try:
        if sql in ALONE:
            connection.execute(order)
            return sqlstate.ENTERED
        with connection.transaction(force_rollback=True):
            if "pg_temp." in sql:
                connection.execute(PROPS)
            connection.execute(order)
    except psycopg.Error as error:
        return str(error.sqlstate)
    return sqlstate.ENTERED


@pytest.mark.parametrize("sql", ALL)
def test_statement_is_refused(
    topology: Topology, primary: psycopg.Connection[Any], sql: str
) -> None:
    """On the primary, where nothing else would refuse it."""
    assert _state(topology, primary, sql) == ALL[sql]


@pytest.mark.parametrize("sql", SAMPLE)
def test_statement_is_refused_through_the_pooler(
    topology: Topology, pooled: psycopg.Connection[Any], sql: str
) -> None:
    """PgBouncer's connections to PostgreSQL have the application's rights, not its own."""
    assert _state(topology, pooled, sql) == ALL[sql]


@pytest.mark.parametrize("sql", READS)
def test_statement_is_refused_on_a_replica(
    topology: Topology, replica: psycopg.Connection[Any], sql: str
) -> None:
    """A replica's files and secrets are the primary's."""
    assert _state(topology, replica, sql) == DENIED


ITS_OWN = (
    "CREATE SCHEMA probe_of_a_test CREATE TABLE t (x int)",
    "CREATE TABLE public.probe_of_a_test (x int)",
    "CREATE TEMPORARY TABLE probe (x int)",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EXTENSION hstore",  # trusted: harmless by PostgreSQL's own judgement
    "SELECT count(*) FROM pg_stat_activity",
)


@pytest.mark.parametrize("sql", ITS_OWN)
def test_application_does_its_work(
    topology: Topology, primary: psycopg.Connection[Any], sql: str
) -> None:
    """The counter-proof: what an application is for passes the same way."""
    assert _state(topology, primary, sql) == sqlstate.ENTERED


def test_every_untrusted_extension_is_refused(
    topology: Topology, primary: psycopg.Connection[Any]
) -> None:
    """Whatever is on the machine (dblink and postgres_fdw would loop back as the superuser)."""
    query = "SELECT DISTINCT name FROM pg_available_extension_versions"
    query += " WHERE superuser AND NOT trusted AND name <> 'pg_stat_statements'"
    names = [row[0] for row in primary.execute(query.encode())]
    orders = {name: f'CREATE EXTENSION "{name}" CASCADE' for name in names}
    passed = [n for n, order in orders.items() if _state(topology, primary, order) != DENIED]
    assert ("dblink" in names, passed) == (True, [])


def test_others_queries_are_hidden(topology: Topology, primary: psycopg.Connection[Any]) -> None:
    """pg_stat_activity shows that the superuser is there, not what it says (passwords, keys)."""
    query = "SELECT DISTINCT query FROM pg_stat_activity WHERE usename = %s"
    found = primary.execute(query, [topology.settings.postgres_user]).fetchall()
    assert found == [("<insufficient privilege>",)]


def test_rights_on_the_database_are_not_its_to_give(
    topology: Topology, primary: psycopg.Connection[Any]
) -> None:
    """GRANT and REVOKE only warn whoever may not: the rights are looked at after them."""
    s = topology.settings
    orders = 'REVOKE CONNECT ON DATABASE "{0}" FROM "{1}"; GRANT ALL ON DATABASE "{0}" TO PUBLIC'
    check = "SELECT has_database_privilege(%s, %s, 'CONNECT')"
    with primary.transaction(force_rollback=True):
        primary.execute(orders.format(s.app_database, s.pgbouncer_auth_user).encode())
        found = [
            primary.execute(check, [role, s.app_database]).fetchone()
            for role in (s.pgbouncer_auth_user, "public")
        ]
    assert found == [(True,), (False,)]


def test_operator_s_session_does_not_meet_the_application_s(
    topology: Topology, leader: str
) -> None:
    """The superuser's own SQL finds no function that the application left in a schema.

    ``public`` is the application's to fill: an unqualified call that matches better there would
    run with the superuser's rights (CVE-2018-1058).
    """
    sql = "SELECT setting, source FROM pg_settings WHERE name = 'search_path';"
    found = accounts.run_sql(topology, leader, sql, database=topology.settings.app_database)
    path, source = found.strip().split("|")
    assert ("public" in path, '"$user"' in path, source) == (False, False, "client")


# Said while connecting, before any SQL.
OPTIONS = {
    "-c role={postgres}": DENIED,
    "-c session_authorization={postgres}": DENIED,
    "-c log_connections=off": DENIED,
    "-c log_disconnections=off": DENIED,
    "-c log_statement=none": DENIED,
    "-c session_preload_libraries=auto_explain": DENIED,
    "-c local_preload_libraries=$libdir/auto_explain": DENIED,
    "-c local_preload_libraries=/tmp/evil": DENIED,
    "-c local_preload_libraries=auto_explain": "58P01",  # undefined_file: no directory of plugins
    "-c allow_system_table_mods=on": DENIED,
    "-c session_replication_role=replica": DENIED,
    "-c is_superuser=on": "55P02",
    "-c hba_file=/tmp/evil": "55P02",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_option_is_refused(topology: Topology, home: Home, options: str) -> None:
    """With POOLING=strict PgBouncer refuses them all, and has tests of its own."""
    if topology.settings.pooling == "strict":
        pytest.skip("POOLING=strict : l'application n'entre pas en direct")
    door = Door("rw", HAPROXY[0], ("app",))
    said = {"options": options.format(**_users(topology))}
    answer = sqlstate.attempt(_logins.place(topology, home, door) | said)
    assert answer.code == OPTIONS[options]


@pytest.mark.parametrize("database", ["postgres", "template1", "template0"])
def test_other_database_is_refused(topology: Topology, home: Home, database: str) -> None:
    """One application, one database."""
    door = Door("rw", HAPROXY[0], ("app",))
    answer = sqlstate.attempt(_logins.place(topology, home, door) | {"dbname": database})
    assert (answer.code, "rejects" in answer.words) == (sqlstate.NOT_ALLOWED, True)
