"""`invoke switchover` on a cluster of its own: under load, refused, and killed at every step."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from citadelle import connect, deadman, engine, lifecycle, poolers
from citadelle.patroni import Patroni
from citadelle.poolers import NOT_PAUSED
from citadelle.progress import wait_until
from citadelle.stress.plan import Plan
from citadelle.stress.result import Result
from citadelle.stress.run import running
from citadelle.topology import PGBOUNCER
from citadelle.workspace import ROOT
from tests.arena import Arena
from tests.operator import argv, environment, invoke

# The targets of issue 4: no error, nothing lost, no longer without a write.
GAP_SECONDS = 3.0
# Steps of the command by their first words, and whether its clients are held when each begins.
STEPS = (
    ("Vérifications", False),
    ("Points de contrôle", False),
    ("Consoles et garde", False),
    ("PAUSE", False),
    ("Bascule par Patroni", True),
    ("Répartiteurs : écritures", True),
    ("Répartiteurs : lectures", True),
    ("Chef d'etcd", False),
)
# A look at every console takes milliseconds; one second is what a busy machine may add.
MARGIN_SECONDS = 1.0
# Load before and after, so that the longest gap is that of the switchover.
AROUND_SECONDS = 3.0

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]


@dataclass(frozen=True)
class Place:
    """Who is the primary, and on which timeline."""

    leader: str
    timeline: int


@dataclass(frozen=True)
class Run:
    """One switchover under load: the command, the load, the cluster before and after."""

    done: subprocess.CompletedProcess[str]
    result: Result
    before: Place
    after: Place


def place(arena: Arena) -> Place:
    """Return the primary as Patroni sees it."""
    members = Patroni(arena.topology, arena.home).members()
    [leader] = [m for m in members if m.role == "leader"]
    assert leader.timeline is not None
    return Place(leader.name, leader.timeline)


def settle(arena: Arena) -> None:
    """Wait until the next switchover would be possible, timers of the last one included."""
    lifecycle.wait_settled(arena.topology, arena.home)
    wait_until(lambda: timers(arena), "Minuteries", 2 * deadman.LIMIT_SECONDS)


def timers(arena: Arena) -> str | None:
    """Return which pooler still has a timer's token, if any."""
    for pooler in PGBOUNCER:
        container = f"{arena.topology.settings.cluster_name}-{pooler}"
        found = engine.execute(container, "ls", deadman.DIRECTORY)
        if deadman.TOKEN.rpartition("/")[2] in found:
            return pooler
    return None


def held(arena: Arena) -> list[str]:
    """Return the databases whose clients are held now."""
    with poolers.consoles(arena.topology, arena.home) as consoles:
        found = [d for n, c in consoles.items() for d in poolers.databases(arena.topology, n, c)]
    return [f"{d.pooler}/{d.name}" for d in found if d.paused]


def steady(seconds: float = AROUND_SECONDS) -> None:
    """Let the load run for a while."""
    end = time.monotonic() + seconds
    wait_until(lambda: None if time.monotonic() > end else "charge", "Charge", 2 * seconds)


@pytest.fixture(scope="module")
def run(arena: Arena) -> Run:
    """Switch over while four clients write through the poolers."""
    settle(arena)
    before = place(arena)
    with running(arena.topology, arena.home, Plan(threads=4, path="pooled", mode="rw")) as load:
        steady()
        done = invoke(arena.home, "switchover")
        steady()
    return Run(done, load.result, before, place(arena))


@pytest.fixture
def settled(arena: Arena) -> Iterator[Place]:
    """The cluster at rest, before and after."""
    settle(arena)
    yield place(arena)
    settle(arena)


def test_it_succeeds(run: Run) -> None:
    """The command says so."""
    assert run.done.returncode == 0, run.done.stdout + run.done.stderr


def test_another_node_is_the_primary(run: Run) -> None:
    """One timeline later: a promotion, not a restart."""
    assert run.after.leader != run.before.leader
    assert run.after.timeline == run.before.timeline + 1


def test_no_client_sees_an_error(run: Run) -> None:
    """What a planned operation must never cost."""
    assert run.result.errors == ()


def test_nothing_is_lost(run: Run) -> None:
    """Every acknowledged write is on the new primary, and nothing else."""
    assert (run.result.verdict.lost, run.result.verdict.phantom) == (0, 0)
    assert run.result.writes > 0


def test_the_gap_is_short(run: Run) -> None:
    """Writes wait for Patroni and the load balancers, not for timeouts."""
    assert run.result.longest_gap_seconds is not None
    assert run.result.longest_gap_seconds <= GAP_SECONDS


def test_nobody_stays_paused(run: Run, arena: Arena) -> None:
    """Once the command has ended."""
    assert held(arena) == []


def test_timers_are_out(run: Run, arena: Arena) -> None:
    """A later PAUSE of the operator is his: no timer ends it."""
    assert timers(arena) is None


def test_deliberate_pause_outlives_the_timers(run: Run, arena: Arena) -> None:
    """The same, seen from the operator's side: he pauses right after a switchover."""
    database = arena.topology.settings.app_database
    with poolers.opened(arena.topology, arena.home, PGBOUNCER[0]) as console:
        console.execute(f"PAUSE {database}".encode())
        try:
            steady(deadman.LIMIT_SECONDS + MARGIN_SECONDS)
            kept = held(arena)
        finally:
            poolers.resume(console, database)
    assert kept == [f"{PGBOUNCER[0]}/{database}"]


def test_long_transaction_makes_it_give_up(settled: Place, arena: Arena) -> None:
    """Nothing changed: same primary, same timeline, nobody paused, the transaction goes on."""
    with connect.connection(arena.topology, arena.home, "pooled") as client:
        client.execute("BEGIN")
        client.execute("SELECT 1")
        done = invoke(arena.home, "switchover")
        after = place(arena)
        row = client.execute("SELECT 2").fetchone()
        client.execute("COMMIT")
    assert (done.returncode, after, held(arena), row) == (2, settled, [], (2,))
    assert "PAUSE impossible" in done.stderr


def test_asynchronous_target_is_refused(settled: Place, arena: Arena) -> None:
    """It may miss acknowledged writes."""
    members = Patroni(arena.topology, arena.home).members()
    target = next(m.name for m in members if m.role == "replica")
    done = invoke(arena.home, "switchover", "--to", target)
    assert (done.returncode, place(arena)) == (2, settled)
    assert f"{target} n'est pas synchrone" in done.stderr


def test_plan_changes_nothing(settled: Place, arena: Arena) -> None:
    """It only says what would happen."""
    done = invoke(arena.home, "switchover", "--plan")
    assert (done.returncode, place(arena)) == (0, settled)
    assert settled.leader in done.stdout


@pytest.mark.parametrize(("step", "holding"), STEPS, ids=[step for step, _ in STEPS])
def test_killed(settled: Place, arena: Arena, step: str, holding: bool) -> None:
    """Killed with -9 when a step begins: nobody is paused longer than the limit."""
    kill(arena, step)
    start = time.monotonic()
    first = held(arena)
    wait_until(
        lambda: ", ".join(held(arena)) or None,
        "Personne en pause",
        deadman.LIMIT_SECONDS + MARGIN_SECONDS,
        poll=0.1,
    )
    assert bool(first) or not holding, "personne n'était en pause : le test ne prouve rien"
    assert time.monotonic() - start <= deadman.LIMIT_SECONDS + MARGIN_SECONDS


def test_console_says_what_the_timer_takes_for_done(arena: Arena) -> None:
    """PgBouncer's words for a RESUME of what runs, on which the timer and the command rely."""
    with (
        poolers.opened(arena.topology, arena.home, PGBOUNCER[0]) as console,
        pytest.raises(Exception, match=NOT_PAUSED),
    ):
        console.execute(f"RESUME {arena.topology.settings.app_database}".encode())


def kill(arena: Arena, step: str) -> None:
    """Kill `invoke switchover` as soon as it announces a step."""
    with subprocess.Popen(  # our own tasks
        argv("switchover"),
        cwd=ROOT,
        env=environment(arena.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.lstrip().startswith(f"… {step}"):
                process.kill()
                break
        else:
            pytest.fail("étape jamais annoncée : " + "".join(said))
