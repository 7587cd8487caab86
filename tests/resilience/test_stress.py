"""The load on the running cluster: nothing lost, and what is lost or invented is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from citadelle import connect
from citadelle.progress import wait_until
from citadelle.stress.load import Load
from citadelle.stress.plan import PATHS, Plan
from citadelle.stress.run import running
from citadelle.stress.session import ANSWER_SECONDS, NAME, STOP_SECONDS
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.resilience._relay import Relay, relay

# A hundred requests, each on a connection of its own through two proxies: seconds.
RUN_SECONDS = 60
CLIENTS = 4
# How long an entrance is away, and how late its clients may notice that it is back. psycopg's
# pool tries every 0.1 to 0.2 s, and connecting through two proxies takes its time on two cores; by
# its own default it tries after 0.9 s, 2.7 s and then 6.3 s at the earliest, 2.3 s after the end of
# this outage: a pool that lost its RETRY_SECONDS is seen.
OUTAGE_SECONDS = 4.0
NOTICE_SECONDS = 2.0
# Writes before and after what a test does to a run, and how long they may take.
SOME = 50
SOME_SECONDS = 30

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def primary(topology: Topology, home: Home) -> Iterator[Connection]:
    """The application's own connection, by the entrance that is always open to it."""
    service = "pooled" if topology.settings.pooling == "strict" else "rw"
    with connect.connection(topology, home, service) as connection:
        yield connection


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, topology: Topology) -> str:
    """Each entrance that the settings open to applications."""
    if topology.settings.pooling == "strict" and request.param != "pooled":
        pytest.skip("POOLING=strict : cette entrée est fermée aux applications")
    return str(request.param)


def await_writes(load: Load, more: int = SOME) -> None:
    """Wait until the load has had that many more writes acknowledged."""
    target = load.recorder.acknowledged + more

    def missing() -> str | None:
        seen = load.recorder.acknowledged
        return None if seen >= target else f"{seen} écritures"

    wait_until(missing, f"{target} écritures acquittées", SOME_SECONDS)


@pytest.fixture
def door(topology: Topology, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay of the test's own, by which all clients go; the cluster is not touched."""
    direct = connect.parameters(topology, home, "pooled")
    with relay(direct["host"].split(",")[0], int(direct["port"].split(",")[0])) as found:

        def parameters(*_: object) -> dict[str, Any]:
            return direct | {"host": "127.0.0.1", "port": str(found.port)}

        monkeypatch.setattr(connect, "parameters", parameters)
        yield found


def outage(load: Load, door: Relay) -> float:
    """Close the entrance for a while; return how long it really was away, in seconds."""
    door.cut()
    start = time.monotonic()
    load.wait(OUTAGE_SECONDS)
    seconds = time.monotonic() - start
    door.restore()
    return seconds


def forget(load: Load, primary: Connection) -> None:
    """Remove what an unclean verdict keeps to be examined."""
    load.ledger.remove()
    primary.execute("DELETE FROM citadelle_ledger WHERE run = %s", (load.run,))


@pytest.mark.parametrize("kept", [True, False], ids=["pool", "connexion par requête"])
def test_short_run_is_clean(topology: Topology, home: Home, path: str, kept: bool) -> None:
    """On a healthy cluster: requests succeed, none fails, every acknowledged write is there."""
    mode = "ro" if path == "ro" else "mixed"
    plan = Plan(threads=CLIENTS, requests=2 * SOME, mode=mode, path=path, kept=kept)
    with running(topology, home, plan) as load:
        load.wait(RUN_SECONDS)

    result = load.result
    assert (result.problems(), result.errors) == ([], ())
    assert result.answered == 2 * SOME
    assert result.verdict.kept == result.writes


def test_writer_is_the_leader(topology: Topology, home: Home, leader: str) -> None:
    """The ledger knows which server acknowledged, although the gateway hides its address."""
    with running(topology, home, Plan(threads=2, requests=SOME)) as load:
        load.wait(SOME_SECONDS)

    nodes = {int(topology.address(node, "pg")): node for node in PG}
    assert [nodes[writer.server] for writer in load.result.verdict.writers] == [leader]


def test_missing_row_is_lost(topology: Topology, home: Home, primary: Connection) -> None:
    """A row that vanishes from the primary after it was acknowledged."""
    with running(topology, home, Plan(threads=2)) as load:
        await_writes(load)
        order = "DELETE FROM citadelle_ledger WHERE run = %s AND client = 0 AND sequence = 1"
        primary.execute(order, (load.run,))

    assert load.result.verdict.lost_examples == ((0, 1),)
    forget(load, primary)


def test_invented_row_is_a_phantom(topology: Topology, home: Home, primary: Connection) -> None:
    """A row that no client sent."""
    with running(topology, home, Plan(threads=2)) as load:
        await_writes(load)
        order = "INSERT INTO citadelle_ledger (run, client, sequence) VALUES (%s, 1, 123456789)"
        primary.execute(order, (load.run,))

    assert load.result.verdict.phantom_examples == ((1, 123456789),)
    forget(load, primary)


def break_connections(load: Load, primary: Connection) -> None:
    """Terminate the load's servers until a client notices: a pooler has idle ones too."""
    order = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ^@ %s"

    def unnoticed() -> str | None:
        primary.execute(order, (NAME,))
        return None if load.recorder.snapshot().errors else "aucune erreur"

    wait_until(unnoticed, "Connexions rompues", SOME_SECONDS, poll=0.05)


def test_run_survives_its_connections(
    topology: Topology, home: Home, primary: Connection, path: str
) -> None:
    """Servers terminated under the clients: what was in flight fails, nothing is lost."""
    if path == "ro":
        pytest.skip("rien ne s'écrit par cette entrée")
    with running(topology, home, Plan(threads=CLIENTS, path=path)) as load:
        await_writes(load)
        load.mark("connexions rompues")
        break_connections(load, primary)
        await_writes(load)

    result = load.result
    assert result.verdict.clean
    assert result.verdict.doubt <= result.error_count


@pytest.mark.parametrize("kept", [True, False], ids=["pool", "connexion par requête"])
def test_outage_is_measured(topology: Topology, home: Home, door: Relay, kept: bool) -> None:
    """The gap is the outage's, not that of the client's own backoff; nothing is lost."""
    with running(topology, home, Plan(threads=CLIENTS, kept=kept)) as load:
        await_writes(load)
        away = outage(load, door)
        await_writes(load)

    gap = load.result.longest_gap_seconds
    assert gap is not None
    assert away < gap < away + NOTICE_SECONDS
    assert load.result.verdict.clean


def test_pool_hides_refusals(topology: Topology, home: Home, door: Relay) -> None:
    """With a pool the application sees what was in flight fail, and nothing else."""
    with running(topology, home, Plan(threads=CLIENTS)) as load:
        await_writes(load)
        outage(load, door)
        await_writes(load)

    assert {e.stage for e in load.result.errors} == {"requête"}
    assert load.result.error_count <= CLIENTS
    assert sum(e.count for e in load.result.refusals) > 0


def test_open_loop_does_not_hide_an_outage(topology: Topology, home: Home, door: Relay) -> None:
    """Requests due during the outage have waited for its end."""
    with running(topology, home, Plan(threads=CLIENTS, rate=50)) as load:
        await_writes(load)
        outage(load, door)
        await_writes(load, 3 * SOME)

    assert load.result.max_ms is not None
    assert load.result.max_ms > 1000 * OUTAGE_SECONDS * 0.9


@pytest.mark.slow
def test_silent_entrance_does_not_hold_the_run(topology: Topology, home: Home, door: Relay) -> None:
    """A frozen proxy answers nothing and closes nothing: the end of the run is the end."""
    with running(topology, home, Plan(threads=CLIENTS)) as load:
        await_writes(load)
        door.silent.set()
        load.wait(1)
        load.stop()
        start = time.monotonic()
        load.wait(ANSWER_SECONDS)
        waited = time.monotonic() - start
        door.silent.clear()

    assert STOP_SECONDS - 1 < waited < STOP_SECONDS + 5
    assert [e.name for e in load.result.errors] == ["AnswerTimeout"]
    assert load.result.verdict.clean
