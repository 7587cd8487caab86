"""PgBouncer goes through the load balancer of its own datacentre, and around it when it is dead."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg
import pytest

from citadelle import connect, engine, poolers
from citadelle.progress import wait_until
from citadelle.stress.plan import Plan
from citadelle.stress.result import Result
from citadelle.stress.run import running
from citadelle.topology import HAPROXY, PGBOUNCER
from tests.arena import Arena
from tests.multidc._sites import Sites, answered_last, steady

# More transactions at once than a pool at rest keeps open, so that it opens new connections.
CLIENTS = 12
# Where connections go is the question here, not how soon.
PATIENT_SECONDS = 60
# The targets of issue 4 for a dead load balancer: time without a write, errors in flight.
GAP_SECONDS = 2.0
THREADS = 4
# nftables.conf asks a load balancer that did not answer again after ten seconds.
BACK_SECONDS = 20.0
STATS = ("sh", "-c", "echo 'show stat' | socat - /run/haproxy/stats.sock")
PAIRS = tuple(zip(PGBOUNCER, HAPROXY, strict=True))


def came(arena: Arena, balancer: str) -> int:
    """Return how many connections of poolers a load balancer has taken since it started."""
    container = f"{arena.topology.settings.cluster_name}-{balancer}"
    rows = csv.DictReader(engine.execute(container, *STATS).removeprefix("# ").splitlines())
    return sum(
        int(row["stot"])
        for row in rows
        if row["svname"] == "FRONTEND" and row["pxname"] in ("rw_pool", "ro_pool")
    )


def open_many(arena: Arena, pooler: str) -> None:
    """Have one pooler serve many transactions at once, on connections that it opens for them."""
    point = arena.topology.endpoint("pooled", pooler)
    here = {"host": point.host, "port": str(point.port)}
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            parameters = connect.parameters(arena.topology, arena.home, "pooled") | here
            parameters["connect_timeout"] = PATIENT_SECONDS
            client = stack.enter_context(psycopg.connect(**parameters))
            client.execute("SELECT 1")


def reconnect(arena: Arena, pooler: str) -> None:
    """Have a pooler close its connections to PostgreSQL: what it has is what it opens now."""
    with poolers.opened(arena.topology, arena.home, pooler) as console:
        console.execute(b"RECONNECT")


def shares(arena: Arena, pooler: str) -> dict[str, int]:
    """Return how many connections each load balancer gets from a pooler that opens many."""
    before = {balancer: came(arena, balancer) for balancer in HAPROXY}
    reconnect(arena, pooler)
    open_many(arena, pooler)
    return {balancer: came(arena, balancer) - before[balancer] for balancer in HAPROXY}


@pytest.mark.parametrize(("pooler", "own"), PAIRS)
def test_own_load_balancer_takes_all(arena: Arena, pooler: str, own: str) -> None:
    """Through the other one, each request would cross the link twice."""
    found = shares(arena, pooler)

    assert found.pop(own) >= CLIENTS
    assert set(found.values()) == {0}


@dataclass(frozen=True)
class Survived:
    """The load during which a load balancer died, and the means to bring it back."""

    result: Result
    sites: Sites


@pytest.fixture(scope="module")
def survived(arena: Arena) -> Iterator[Survived]:
    """A load through the first pooler, whose own load balancer dies."""
    sites = Sites(arena)
    try:
        with running(arena.topology, arena.home, Plan(threads=THREADS)) as load:
            steady(3)
            sites.kill(HAPROXY[0])
            steady(8)
        yield Survived(load.result, sites)
    finally:
        sites.revive()


@pytest.mark.disruptive
def test_writes_go_on(survived: Survived) -> None:
    """Through the other load balancer, while the own one is still dead."""
    assert answered_last(survived.result) > 0


@pytest.mark.disruptive
def test_only_requests_in_flight_fail(survived: Survived) -> None:
    """One for each client at most; nothing acknowledged is lost."""
    verdict = survived.result.verdict
    assert survived.result.error_count <= THREADS
    assert (verdict.problem, verdict.lost, verdict.phantom) == ("", 0, 0)


@pytest.mark.slow
@pytest.mark.disruptive
def test_other_one_takes_over_in_time(survived: Survived) -> None:
    """No longer than the target without an acknowledged write; on demand, as the targets are."""
    assert survived.result.longest_gap_seconds is not None
    assert survived.result.longest_gap_seconds <= GAP_SECONDS


@pytest.mark.disruptive
def test_own_load_balancer_is_taken_again(survived: Survived, arena: Arena) -> None:
    """Once it is back, new connections are its own."""
    survived.sites.revive()

    def elsewhere() -> str | None:
        found = shares(arena, PGBOUNCER[0])
        return None if found[HAPROXY[1]] == 0 < found[HAPROXY[0]] else f"{found}"

    wait_until(elsewhere, f"Retour à {HAPROXY[0]}", BACK_SECONDS)
