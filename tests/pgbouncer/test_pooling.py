"""What a pooler does with connections: lends servers by transaction, with its own proof."""

from __future__ import annotations

import contextlib
import uuid

import psycopg
import pytest
from psycopg import sql

from citadelle.topology import Topology
from tests.pgbouncer.conftest import Connect
from tests.probes import cancel

PID = "SELECT pg_backend_pid()"
OWN_TLS = "SELECT ssl, version, client_dn, issuer_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
# More clients at once than one of them needs servers.
CLIENTS = 12


def test_rw_database_writes(enter: Connect) -> None:
    """By way of the load balancers' 5000, to the primary."""
    table = sql.Identifier(f"throwaway_{uuid.uuid4().hex}")
    with enter() as connection:
        connection.execute(sql.SQL("CREATE TABLE {} AS SELECT 42 AS answer").format(table))
        try:
            row = connection.execute(sql.SQL("SELECT answer FROM {}").format(table)).fetchone()
        finally:
            connection.execute(sql.SQL("DROP TABLE {}").format(table))
    assert row == (42,)


def test_ro_database_is_a_replica(enter: Connect) -> None:
    """By way of 5001."""
    with enter("pooled_ro") as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_ro_database_does_not_write(enter: Connect) -> None:
    """An application that mixes up its two connections is told so."""
    with enter("pooled_ro") as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TABLE throwaway_never (x int)")


@pytest.mark.parametrize("service", ["pooled", "pooled_ro"])
def test_server_connection_is_proven_by_certificate(
    enter: Connect, topology: Topology, service: str
) -> None:
    """Between pooler and PostgreSQL: TLS 1.3, the pooler's own key of plane pg-client.

    A stolen application password used from the pooler's address is not enough.
    """
    s = topology.settings
    with enter(service) as connection:
        row = connection.execute(OWN_TLS).fetchone()
    assert row is not None
    assert row[:3] == (True, "TLSv1.3", f"/CN={s.pgbouncer_auth_user}")
    assert "pg-client" in row[3]


@pytest.mark.parametrize("service", ["pooled", "pooled_ro"])
def test_postgresql_sees_the_poolers_own_address(
    enter: Connect, topology: Topology, pooler: str, service: str
) -> None:
    """The PROXY protocol carries the pooler's address: its lines of pg_hba.conf apply."""
    with enter(service) as connection:
        row = connection.execute("SELECT inet_client_addr()").fetchone()
    assert row == (topology.address(pooler, "pool"),)


def test_application_name_carries_the_clients_address(enter: Connect, topology: Topology) -> None:
    """PostgreSQL's logs name the end user's machine, which only the pooler saw."""
    with enter(application_name="probe") as connection:
        row = connection.execute("SHOW application_name").fetchone()
    assert row is not None
    assert row[0].startswith(f"probe - {topology.gateway_address('front')}:")


def test_pool_mode_is_transaction(configuration: dict[str, str]) -> None:
    """A server is lent for one transaction."""
    assert configuration["pool_mode"] == "transaction"


def test_idle_clients_share_servers(enter: Connect) -> None:
    """Many connected clients, few servers: in session mode each would hold its own."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(enter()) for _ in range(CLIENTS)]
        pids = {connection.execute(PID).fetchone() for connection in opened}
    assert len(pids) < CLIENTS


def test_prepared_statement_follows_its_client(enter: Connect) -> None:
    """Another client holds the first server: the statement must be there on the second one."""
    query = "SELECT pg_backend_pid(), %s::int"
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(enter())
        others = [stack.enter_context(enter()) for _ in range(CLIENTS)]
        first = client.execute(query, [1], prepare=True).fetchone()
        for other in others:
            other.execute("BEGIN")
        pids = {other.execute(PID).fetchone() for other in others}
        assert first is not None
        assert (first[0],) in pids
        again = client.execute(query, [2], prepare=True).fetchone()
    assert again is not None
    assert (again[0] != first[0], again[1]) == (True, 2)


@pytest.mark.xfail(
    # Nothing is cancelled: the statement ends by its own timeout, or nobody answers the request.
    raises=(AssertionError, psycopg.errors.CancellationTimeout),
    reason="PgBouncer forwards cancel requests in clear: its pod's filter drops them",
)
def test_statement_can_be_cancelled(enter: Connect) -> None:
    """The cancel request finds its way through the pooler and the load balancer."""
    with enter() as connection, enter() as watcher:
        assert "due to user request" in cancel.outcome(connection, watcher)
