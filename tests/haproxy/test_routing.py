"""Where each entrance leads, and what PostgreSQL knows of who came."""

from __future__ import annotations

import csv
from collections.abc import Callable
from ipaddress import ip_address

import psycopg
import pytest
from testinfra.host import Host

from citadelle.topology import PG, Topology
from tests.haproxy.conftest import Connect
from tests.probes import cancel

STATS = "echo 'show stat' | socat - /run/haproxy/stats.sock"


def up(host: Host, backend: str) -> set[str]:
    """Return the servers of a backend that the load balancer holds for usable."""
    return {row["svname"] for row in servers(host, backend)}


def servers(host: Host, backend: str) -> list[dict[str, str]]:
    """Return what HAProxy says of the usable servers of a backend.

    Also those on their way down (``UP 1/2``): they still get connections.
    """
    rows = csv.DictReader(host.check_output(STATS).removeprefix("# ").splitlines())
    return [
        row
        for row in rows
        if row["pxname"] == backend and row["svname"] in PG and row["status"].startswith("UP")
    ]


def test_rw_leads_to_the_primary_and_ro_to_a_replica(enter: Connect, service: str) -> None:
    """A write sent to a replica fails; reads sent to the primary are load it could do without."""
    with enter() as connection:
        row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    assert row == (service == "ro",)


def test_rw_knows_exactly_one_server(
    container: Callable[[str], Host], balancer: str, leader: str
) -> None:
    """Two would be a split brain: the primary alone answers 200 to /primary."""
    assert up(container(balancer), "rw") == {leader}


def test_ro_knows_the_replicas(
    container: Callable[[str], Host], balancer: str, leader: str
) -> None:
    """Every node but the primary answers 200 to /replica."""
    assert up(container(balancer), "ro") == set(PG) - {leader}


def test_ro_prefers_its_own_datacentre(
    container: Callable[[str], Host], topology: Topology, balancer: str, leader: str
) -> None:
    """The other site's replicas serve only when none is left here: the link is slow."""
    first = {row["svname"] for row in servers(container(balancer), "ro") if row["bck"] == "0"}
    assert first == set(topology.reads_first(balancer)) - {leader}


def test_postgresql_sees_the_clients_own_address(enter: Connect, topology: Topology) -> None:
    """pg_hba.conf and audits would otherwise judge the load balancer instead of the client."""
    with enter() as connection:
        row = connection.execute("SELECT inet_client_addr()").fetchone()
    assert row == (topology.gateway_address("front"),)


def test_activity_shows_the_clients_own_address(enter: Connect, topology: Topology) -> None:
    """The administrator of the database sees who is connected, not by which way."""
    query = "SELECT host(client_addr) FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    with enter() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    assert ip_address(row[0]) == topology.gateway_address("front")


@pytest.mark.skipif(psycopg.pq.version() < 170000, reason="sslnegotiation: libpq 17")
def test_direct_tls_enters(enter: Connect) -> None:
    """The door also takes a ClientHello, and leads to a server that speaks ALPN postgresql."""
    with enter(sslnegotiation="direct") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("service", ["rw"])
def test_statement_can_be_cancelled(enter: Connect) -> None:
    """A cancel request is a second connection: TLS too, and it must find the same server."""
    with enter() as connection, enter() as watcher:
        assert "due to user request" in cancel.outcome(connection, watcher)
