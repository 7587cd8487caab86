"""The command: what ends it, and with which code."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from citadelle.errors import CitadelleError
from citadelle.progress import wait_until
from citadelle.stress import run
from citadelle.stress.ledger import Ledger
from citadelle.stress.load import Load
from citadelle.stress.plan import Plan
from citadelle.stress.result import ErrorClass, Result
from citadelle.stress.verdict import Verdict, compare
from citadelle.workspace import Home
from tests.unit import factory
from tests.unit.stress_lab import Clock, Cluster, fail, result

TOPOLOGY = factory.topology()
SOME_SECONDS = 10


class BugError(Exception):
    """A mistake in the client's own code."""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"verdict": Verdict(lost=2)}, "écritures perdues : 2"),
        ({"verdict": Verdict(phantom=1)}, "écritures fantômes : 1"),
        ({"verdict": Verdict(problem="primaire muet")}, "primaire muet"),
        ({"writes": 0}, "aucune requête n'a réussi"),
        ({"plan": Plan(fail_on={"gap": 2.4})}, "gap : 2.5, limite 2.4"),
        ({"plan": Plan(fail_on={"p50": 1.9})}, "p50 : 2, limite 1.9 ms"),
        ({"plan": Plan(fail_on={"p99": 19})}, "p99 : 20, limite 19 ms"),
        ({"plan": Plan(fail_on={"max": 49})}, "max : 50, limite 49 ms"),
        ({"plan": Plan(fail_on={"throughput": 11})}, "throughput : 10, limite 11 requêtes/s"),
        (
            {
                "plan": Plan(fail_on={"errors": 0}),
                "errors": (ErrorClass("requête", "57", 1, "fin", 0.0),),
            },
            "errors : 1, limite 0 erreurs",
        ),
        ({"plan": Plan(fail_on={"p99": 100}), "p99_ms": None}, "p99 : rien à mesurer"),
    ],
)
def test_problem_fails_the_run(changes: dict[str, Any], problem: str) -> None:
    """Lost or invented writes always; thresholds when they are exceeded or not measured."""
    (found,) = result(**changes).problems()

    assert found.startswith(problem)


def test_exact_thresholds_are_met() -> None:
    """A limit may be reached."""
    limits = {"errors": 0, "gap": 2.5, "p50": 2, "p99": 20, "max": 50, "throughput": 10}

    assert result(plan=Plan(fail_on=limits)).problems() == []


class FakeLoad:
    """A load that is over, or that its operator interrupts."""

    def __init__(self, found: Result, interrupted: bool) -> None:
        self.result = found
        self.interrupted = interrupted
        self.stopped = False

    def wait(self, _seconds: float) -> bool:
        """End, or be interrupted as by Ctrl-C."""
        if self.interrupted:
            raise KeyboardInterrupt
        return True

    def stop(self) -> None:
        """Note it."""
        self.stopped = True


def command(
    monkeypatch: pytest.MonkeyPatch, reports: Path, found: Result, *, interrupted: bool = False
) -> tuple[int, FakeLoad]:
    """Run the command on a load whose result is known."""
    load = FakeLoad(found, interrupted)

    @contextmanager
    def running(*_: object) -> Iterator[FakeLoad]:
        yield load

    monkeypatch.setattr(run, "running", running)
    return run.main(TOPOLOGY, Home(reports), found.plan, reports), load


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (result(), 0),
        (result(verdict=Verdict(lost=1)), 1),
        (result(plan=Plan(fail_on={"gap": 1})), 1),
        (result(plan=Plan(fail_on={"gap": 3})), 0),
    ],
    ids=["clean", "lost", "exceeded", "within"],
)
def test_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: Result, code: int
) -> None:
    """What a scheduler or CI sees."""
    assert command(monkeypatch, tmp_path, found)[0] == code


@pytest.mark.parametrize(("lost", "code"), [(0, 0), (3, 1)])
def test_interrupted_run_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lost: int,
    code: int,
) -> None:
    """Ctrl-C stops the load; its figures, its verdict and its code come all the same."""
    found = result(verdict=Verdict(lost=lost))
    ended, load = command(monkeypatch, tmp_path, found, interrupted=True)

    assert (ended, load.stopped) == (code, True)
    assert {path.name for path in tmp_path.iterdir()} == {"stress.html", "stress.json"}
    assert "Interrompu" in capsys.readouterr().out


def test_load_stops_and_concludes(tmp_path: Path) -> None:
    """With real threads: the plan has no end, stop() gives it one, every write is accounted for."""
    load = Load(Plan(threads=1), Ledger(tmp_path, 1))
    cluster = Cluster(Clock(), seconds=0)
    load.start(cluster)
    load.mark("panne")
    wait_until(lambda: None if cluster.present else "rien", "Une écriture", SOME_SECONDS)
    load.stop()
    ended = load.wait(SOME_SECONDS)
    load.end()
    load.conclude(compare(load.ledger.entries(), cluster.present))

    found = load.result
    assert ended
    assert found.verdict.kept == found.writes == len(cluster.present)
    assert (found.problems(), [mark.text for mark in found.marks]) == ([], ["panne"])


def test_result_of_a_running_load_is_refused(tmp_path: Path) -> None:
    """It has no verdict yet."""
    load = Load(Plan(threads=1), Ledger(tmp_path, 1))
    load.start(Cluster(Clock(), seconds=0))
    try:
        with pytest.raises(CitadelleError, match="court encore"):
            _ = load.result
    finally:
        load.end()


def test_fault_of_a_client_itself_is_not_hidden(tmp_path: Path) -> None:
    """It ends the run of all, and comes out: silent threads would measure nothing."""
    load = Load(Plan(threads=2), Ledger(tmp_path, 2))
    steps = itertools.chain([fail(BugError())], itertools.repeat(lambda: None))
    load.start(Cluster(Clock(), steps))
    ended = load.wait(SOME_SECONDS)

    assert ended
    with pytest.raises(BugError):
        load.end()


def test_closed_entrance_is_refused(tmp_path: Path) -> None:
    """POOLING=strict: applications only enter by the poolers."""
    strict = factory.topology(POOLING="strict")

    with (
        pytest.raises(CitadelleError, match="seul --path pooled"),
        run.running(strict, Home(tmp_path), Plan(path="rw")),
    ):
        pass
