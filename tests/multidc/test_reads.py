"""5001: the own datacentre first, whoever is fresh enough, the primary only if .env says so."""

from __future__ import annotations

import pytest

from citadelle.chaos import processes
from citadelle.topology import HAPROXY
from tests.arena import Arena
from tests.multidc._sites import Sites, changed

# The limit of config/haproxy/haproxy.cfg.j2 (`/replica?lag=16MB`), in rows of 1 KiB, and a half.
TOO_LATE_ROWS = 24 * 1024
# The process that replays; a pause by SQL would not last, Patroni ends it at its next loop.
REPLAY = "^postgres: .*: startup "
# Enough connections that an even share among replicas would show.
CONNECTIONS = 6


@pytest.mark.parametrize("balancer", HAPROXY)
def test_reads_stay_in_the_datacentre(arena: Arena, balancer: str) -> None:
    """While a replica is there, none crosses the link."""
    sites = Sites(arena)
    near = set(arena.topology.reads_first(balancer)) - {sites.field.primary}

    assert {sites.reader(balancer) for _ in range(CONNECTIONS)} == near


@pytest.mark.disruptive
def test_late_replica_does_not_serve(arena: Arena) -> None:
    """A local replica that is too far behind is worse than a fresh one far away."""
    sites = Sites(arena)
    standby = sites.field.standby
    container = sites.field.container(standby)
    processes.each(container, REPLAY, "kill", "-STOP")
    try:
        sites.write(TOO_LATE_ROWS)
        sites.wait_reader("haproxy1", sites.remote)
    finally:
        processes.each(container, REPLAY, "kill", "-CONT")
    sites.wait_reader("haproxy1", standby)


@pytest.mark.slow
@pytest.mark.disruptive
@pytest.mark.parametrize(("word", "opens"), [("jamais", False), ("secours", True)])
def test_last_resort(arena: Arena, word: str, *, opens: bool) -> None:
    """Without any replica, 5001 closes, or leads to the primary when .env accepts that load."""
    with changed(arena, HAPROXY_RO_PRIMARY=word) as now:
        sites = Sites(now)
        primary, standby = sites.field.primary, sites.field.standby
        sites.kill(standby, sites.remote)
        try:
            sites.wait_reader("haproxy1", primary if opens else None)
            sites.wait_reader("haproxy2", primary if opens else None)
        finally:
            sites.revive()
        sites.wait_reader("haproxy1", standby)
