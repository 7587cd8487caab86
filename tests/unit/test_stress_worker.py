"""One client: what it was told is what it records."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from citadelle.stress.ledger import RECORD, Entry, Outcome
from citadelle.stress.plan import Plan
from citadelle.stress.result import Gap
from citadelle.stress.verdict import compare
from citadelle.stress.worker import Client
from tests.unit import stress_lab
from tests.unit.stress_lab import LOST, SERVER, Clock, Cluster, fail

Make = Callable[[Plan, Cluster], Client]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make a client whose book is closed at the end."""
    with contextlib.ExitStack() as stack:

        def made(plan: Plan, cluster: Cluster) -> Client:
            found = stress_lab.client(plan, cluster, tmp_path)
            stack.callback(found.book.close)
            return found

        yield made


def answer() -> None:
    """Let a request succeed."""


def entries(worker: Client, directory: Path) -> list[Entry]:
    """Return what the client wrote in its book."""
    worker.book.close()
    return [Entry._make(r) for r in RECORD.iter_unpack((directory / "book").read_bytes())]


def run(worker: Client, requests: int) -> None:
    """Let it make that many requests, each due when the one before has ended."""
    for _ in range(requests):
        worker.request(worker.pace.clock())
    worker.recorder.finish(worker.pace.clock())


def test_acknowledged_write_is_recorded(make: Make, tmp_path: Path) -> None:
    """With the server and the timeline that acknowledged it."""
    worker = make(Plan(), Cluster(Clock()))
    run(worker, 2)

    found = [entry._replace(at=0) for entry in entries(worker, tmp_path)]
    assert found == [(Outcome.ACKNOWLEDGED, 0, n, 0, int(SERVER), 7) for n in (1, 2)]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (LOST, Outcome.DOUBT),
        (psycopg.errors.AdminShutdown("terminating"), Outcome.DOUBT),
        (psycopg.errors.ProtocolViolation("server conn crashed?"), Outcome.DOUBT),
        (psycopg.errors.QueryCanceled("canceling"), Outcome.DOUBT),
        (psycopg.errors.StatementCompletionUnknown("?"), Outcome.DOUBT),
        (psycopg.errors.InternalError_("?"), Outcome.DOUBT),
        (psycopg.errors.ReadOnlySqlTransaction("read-only"), Outcome.REFUSED),
        (psycopg.errors.UniqueViolation("duplicate"), Outcome.REFUSED),
        (psycopg.errors.SerializationFailure("retry"), Outcome.REFUSED),
        (psycopg.errors.TooManyConnections("too many"), Outcome.REFUSED),
    ],
)
def test_failed_write_is_in_doubt_or_refused(
    make: Make, tmp_path: Path, error: psycopg.Error, outcome: Outcome
) -> None:
    """Only an error that rules a commit out says that nothing was written."""
    worker = make(Plan(), Cluster(Clock(), iter([fail(error)])))
    run(worker, 1)

    assert [entry.outcome for entry in entries(worker, tmp_path)] == [outcome]
    assert sum(e.count for e in worker.recorder.errors()) == 1


def test_lost_answer_is_not_a_lost_write(make: Make, tmp_path: Path) -> None:
    """From the client to the verdict: committed or not, an unanswered write is in doubt."""
    cluster = Cluster(Clock(), itertools.cycle([answer, fail(LOST)]))
    worker = make(Plan(), cluster)
    run(worker, 4)
    committed = [*cluster.present, (0, 4)]
    found = compare(entries(worker, tmp_path), sorted(committed))

    assert (found.kept, found.doubt_present, found.doubt_absent) == (2, 1, 1)
    assert found.clean


def test_gap_spans_reconnections(make: Make) -> None:
    """From the last write before the fault to the first after it, attempts in between or not."""
    clock = Clock()
    cluster = Cluster(clock, iter([answer, fail(LOST), answer]))

    def refuse() -> None:
        clock.now += 3
        raise LOST

    cluster.connecting = iter([answer, answer, refuse, refuse, answer])
    worker = make(Plan(), cluster)
    run(worker, 5)

    # Written at 1 s; broken at 2 s; refused at 5 s and 8 s; written at 9 s.
    assert worker.recorder.gap == Gap(1.0, 8.0)


def test_errors_are_those_that_the_application_sees(make: Make) -> None:
    """Refused when connecting, and in the middle of a request, are told apart."""
    cluster = Cluster(Clock(), iter([fail(LOST)]))
    cluster.connecting = iter([fail(LOST), answer])
    worker = make(Plan(), cluster)
    run(worker, 2)

    assert sorted(e.stage for e in worker.recorder.errors()) == ["connexion", "requête"]


def test_refused_connection_sends_nothing(make: Make, tmp_path: Path) -> None:
    """No sequence is used: there is nothing to doubt."""
    cluster = Cluster(Clock())
    cluster.connecting = iter([fail(LOST), answer])
    worker = make(Plan(), cluster)
    run(worker, 2)

    assert [entry.sequence for entry in entries(worker, tmp_path)] == [1]


def test_open_loop_counts_a_stall_in_latency(make: Make) -> None:
    """One request stalls for 10 s: those that were due meanwhile waited too."""
    clock = Clock()

    def stall() -> None:
        clock.now += 10

    cluster = Cluster(clock, itertools.chain([stall], itertools.repeat(answer)), seconds=0.01)
    worker = make(Plan(rate=10, requests=100), cluster)
    worker.run()
    worker.recorder.finish(clock.now)

    # 100 requests due over 10 s; the last of them had waited for nobody.
    assert worker.recorder.total.count == 100
    assert 4.5 < worker.recorder.total.percentile(50) < 6.5


def test_closed_loop_counts_a_stall_once(make: Make) -> None:
    """The same stall without a rate hides behind one request: why --rate exists."""
    clock = Clock()

    def stall() -> None:
        clock.now += 10

    cluster = Cluster(clock, itertools.chain([stall], itertools.repeat(answer)), seconds=0.01)
    worker = make(Plan(requests=100), cluster)
    worker.run()
    worker.recorder.finish(clock.now)

    assert worker.recorder.total.percentile(98) < 0.02


def test_mixed_is_a_write_then_a_read(make: Make) -> None:
    """In turn."""
    worker = make(Plan(mode="mixed"), Cluster(Clock()))
    run(worker, 5)

    assert (worker.recorder.acknowledged, worker.recorder.reads) == (3, 2)


def test_own_write_that_cannot_be_read_is_an_error(make: Make) -> None:
    """A primary that does not know what was acknowledged is not the primary."""
    cluster = Cluster(Clock())
    worker = make(Plan(mode="mixed"), cluster)
    run(worker, 1)
    cluster.present.clear()
    run(worker, 1)

    assert [e.name for e in worker.recorder.errors()] == ["StaleRead"]


def test_connection_refused_after_the_end_is_no_error(make: Make) -> None:
    """The run was over: the application had stopped asking."""
    clock = Clock()
    cluster = Cluster(clock)
    worker = make(Plan(duration_seconds=1), cluster)

    def late() -> None:
        clock.now += 2
        raise LOST

    cluster.connecting = iter([late])
    worker.request(clock.now)

    assert worker.recorder.errors() == ()
