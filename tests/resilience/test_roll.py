"""`invoke roll` on a cluster of its own: everything restarted under load, and what stops it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from citadelle import engine, lifecycle, poolers, renewal, status
from citadelle.chaos.loads import LIFETIME_SECONDS
from citadelle.patroni import Member, Patroni
from citadelle.progress import wait_until
from citadelle.stress.plan import Plan
from citadelle.stress.result import Result
from citadelle.stress.run import running
from citadelle.topology import CONTAINERS, ETCD, PGBOUNCER, Topology
from citadelle.workspace import ROOT
from tests.arena import Arena
from tests.operator import argv, change_env, environment

# The targets of issue 4.
GAP_SECONDS = 3.0
AROUND_SECONDS = 3.0
# Ten machines of some 20 s, the poolers' drains included.
ROLL_SECONDS = 900
# How long clients may keep a connection while a pooler leaves, where nobody uses one.
DRAIN = "2"
BREATH_SECONDS = 0.1
HEALTH_SECONDS = 120
# Containers that a roll restarts: all but those that hold a network.
RESTARTED = tuple(c.name for c in CONTAINERS if c.name not in renewal.NETWORKS)

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]


@dataclass(frozen=True)
class Run:
    """One roll under load: the command, what writers and readers saw, starts before and after."""

    done: subprocess.CompletedProcess[str]
    writers: Result
    readers: Result
    before: dict[str, str]
    after: dict[str, str]


def starts(topology: Topology) -> dict[str, str]:
    """Return when each container was started."""
    cluster = topology.settings.cluster_name
    found = engine.inspect("container", *(f"{cluster}-{name}" for name in RESTARTED))
    return {
        name: container["State"]["StartedAt"]
        for name, container in zip(RESTARTED, found, strict=True)
    }


def steady(seconds: float = AROUND_SECONDS) -> None:
    """Let the load run for a while."""
    end = time.monotonic() + seconds
    wait_until(lambda: None if time.monotonic() > end else "charge", "Charge", 2 * seconds)


def roll(arena: Arena, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `invoke roll`, which lasts longer than other commands."""
    return subprocess.run(  # our own tasks
        argv("roll", *options),
        cwd=ROOT,
        env=environment(arena.home),
        capture_output=True,
        text=True,
        timeout=ROLL_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def run(arena: Arena) -> Run:
    """Roll everything while clients write and read through the poolers."""
    lifecycle.wait_settled(arena.topology, arena.home)
    before = starts(arena.topology)
    writing, reading = (
        Plan(
            threads=4,
            path="pooled",
            mode=mode,
            pause_seconds=BREATH_SECONDS,
            lifetime_seconds=LIFETIME_SECONDS,
        )
        for mode in ("rw", "ro")
    )
    with (
        running(arena.topology, arena.home, writing) as writers,
        running(arena.topology, arena.home, reading) as readers,
    ):
        steady()
        done = roll(arena)
        steady()
    return Run(done, writers.result, readers.result, before, starts(arena.topology))


@pytest.fixture
def settled(arena: Arena) -> Iterator[Arena]:
    """The cluster at rest, before and after."""
    lifecycle.wait_settled(arena.topology, arena.home)
    yield arena
    lifecycle.wait_settled(arena.topology, arena.home)


def test_it_succeeds(run: Run) -> None:
    """The command says so."""
    assert run.done.returncode == 0, run.done.stdout + run.done.stderr


@pytest.mark.parametrize("name", RESTARTED)
def test_everything_was_restarted(run: Run, name: str) -> None:
    """No container was forgotten."""
    assert run.after[name] != run.before[name]


def test_writers_see_no_error(run: Run) -> None:
    """What a planned operation must never cost."""
    assert run.writers.errors == ()


def test_readers_see_no_error(run: Run) -> None:
    """Replicas leave without their readers noticing."""
    assert run.readers.errors == ()
    assert run.readers.reads > 0


def test_nothing_is_lost(run: Run) -> None:
    """Every acknowledged write is there, and nothing else."""
    assert (run.writers.verdict.lost, run.writers.verdict.phantom) == (0, 0)


def test_no_machine_costs_long(run: Run) -> None:
    """The longest of all the gaps."""
    assert run.writers.longest_gap_seconds is not None
    assert run.writers.longest_gap_seconds <= GAP_SECONDS


def test_nobody_stays_paused(run: Run, arena: Arena) -> None:
    """Once the command has ended."""
    with poolers.consoles(arena.topology, arena.home) as consoles:
        found = [d for n, c in consoles.items() for d in poolers.databases(arena.topology, n, c)]
    assert [d for d in found if d.paused] == []


def test_unhealthy_cluster_is_not_touched(settled: Arena) -> None:
    """A member is away: one more restart could cost the quorum."""
    stopped = f"{settled.topology.settings.cluster_name}-{ETCD[-1]}"
    before = starts(settled.topology)
    engine.docker("stop", stopped)
    try:
        done = roll(settled)
        after = starts(settled.topology)
    finally:
        engine.docker("start", stopped)
    wait_until(lambda: health(settled), "Cluster sain", HEALTH_SECONDS)
    assert (done.returncode, after) == (2, before)
    assert ETCD[-1] in done.stderr


def test_changed_file_is_taken(settled: Arena) -> None:
    """What `up` would apply, on the one machine that is named; the others are left alone."""
    pooler = PGBOUNCER[0]
    was = settled.topology.settings.pgbouncer_max_clients
    before = starts(settled.topology)
    change_env(settled.home, PGBOUNCER_MAX_CLIENTS=str(was - 1))
    try:
        done = roll(settled, "--node", pooler, "--drain", DRAIN)
        after, seen = starts(settled.topology), limit(settled, pooler)
    finally:
        change_env(settled.home, PGBOUNCER_MAX_CLIENTS=str(was))
        back = roll(settled, "--node", pooler, "--drain", DRAIN)
    assert (done.returncode, back.returncode) == (0, 0), done.stderr + back.stderr
    assert seen == str(was - 1)
    assert [name for name in RESTARTED if after[name] != before[name]] == [pooler]


def test_one_machine(settled: Arena) -> None:
    """--node restarts that machine's containers, and no other."""
    node = next(m.name for m in members(settled) if m.role != "leader")
    before = starts(settled.topology)
    done = roll(settled, "--node", node)
    after = starts(settled.topology)
    assert done.returncode == 0, done.stdout + done.stderr
    touched = {name for name in RESTARTED if after[name] != before[name]}
    assert touched == set(renewal.services(node)) & set(RESTARTED)


def members(arena: Arena) -> list[Member]:
    """Return PostgreSQL's nodes as Patroni sees them."""
    return Patroni(arena.topology, arena.home).members()


def health(arena: Arena) -> str | None:
    """Return what keeps the cluster from being healthy, if anything."""
    return "; ".join(status.observe(arena.topology, arena.home).problems()) or None


def limit(arena: Arena, pooler: str) -> str:
    """Return how many clients a running pooler takes."""
    with poolers.opened(arena.topology, arena.home, pooler) as console:
        rows = console.execute("SHOW CONFIG").fetchall()
    return next(str(row["value"]) for row in rows if row["key"] == "max_client_conn")
