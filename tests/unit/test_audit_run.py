"""The audit's verdicts: each state, its exit, and what never leaves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from citadelle import status
from citadelle.audit import deviations, run, versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.controls import CONTROLS
from citadelle.audit.deviations import Deviation
from citadelle.audit.run import State, Verdict
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit import factory

TODAY = date(2026, 11, 22)
CLUSTER = Cluster(factory.topology(), Home(Path("/nowhere")))
ACCEPTED = Deviation("XX-01", "Parce que.", "moi", date(2026, 11, 1), date(2026, 12, 1))
EXPIRED = Deviation("XX-01", "Parce que.", "moi", date(2026, 10, 1), date(2026, 11, 1))


def _control(check: Callable[[Cluster], Finding]) -> Control:
    return Control("XX-01", "Essai", (), check)


def _finding(ok: bool, seen: str = "vu", command: str = "commande") -> Control:
    return _control(lambda _: Finding(ok, seen, command))


def _judge(control: Control, *accepted: Deviation) -> Verdict:
    return run.judge("Essais", control, CLUSTER, {d.identifier: d for d in accepted}, TODAY)


def _raising(error: Exception) -> Control:
    def check(_cluster: Cluster) -> Finding:
        raise error

    return _control(check)


@pytest.mark.parametrize(
    ("control", "accepted", "state"),
    [
        (_finding(True), [], State.CONFORMING),
        (_finding(False), [], State.FAILING),
        (_finding(False), [ACCEPTED], State.JUSTIFIED),
        (_finding(False), [EXPIRED], State.FAILING),
    ],
)
def test_state(control: Control, accepted: list[Deviation], state: State) -> None:
    """A deviation covers a failure for as long as its review holds."""
    assert _judge(control, *accepted).state is state


@pytest.mark.parametrize(
    "error",
    [CitadelleError("muet"), OSError("muet"), psycopg.OperationalError("muet"), KeyError("muet")],
)
def test_no_answer_is_not_conforming(error: Exception) -> None:
    """What could not be seen is a failure, its reason is shown, and no deviation excuses it."""
    verdict = _judge(_raising(error), ACCEPTED)
    assert (verdict.state, "muet" in verdict.seen) == (State.UNKNOWN, True)


def test_fault_of_a_control_itself_is_not_hidden() -> None:
    """A mistake in a check's code is no state of the cluster."""
    with pytest.raises(AssertionError):
        _judge(_raising(AssertionError()))


@pytest.mark.parametrize("column", ["seen", "command"])
@pytest.mark.parametrize("name", sorted(CLUSTER.topology.settings.secrets()))
def test_secret_does_not_reach_the_report(name: str, column: str) -> None:
    """A careless control, or a component that repeats a password in its error, leaks nothing."""
    secret = CLUSTER.topology.settings.secrets()[name].reveal()
    verdict = _judge(_finding(False, f"psql {secret}!", f"psql {secret}!"))
    assert getattr(verdict, column) == f"psql [{name}]!"


def test_secret_in_an_error_does_not_reach_the_report() -> None:
    """The same for what a component says when it fails."""
    secret = CLUSTER.topology.settings.postgres_password.reveal()
    assert secret not in _judge(_raising(CitadelleError(f"refus de {secret}"))).seen


@pytest.mark.parametrize(
    ("control", "accepted", "failed"),
    [
        (_finding(True), [], False),
        (_finding(False), [ACCEPTED], False),
        (_finding(False), [], True),
        (_raising(OSError("muet")), [], True),
        (_finding(True), [ACCEPTED], True),
    ],
)
def test_report_fails_when_there_is_something_to_decide(
    control: Control, accepted: list[Deviation], failed: bool
) -> None:
    """A failure, a silence or a stale deviation ends the audit in error."""
    found = {d.identifier: d for d in accepted}
    now = datetime(2026, 11, 22, tzinfo=UTC)
    verdict = _judge(control, *accepted)
    assert run.report(CLUSTER.topology, [verdict], {}, found, now).failed is failed


def test_identifiers_are_unique() -> None:
    """A deviation names one control."""
    count = Counter(control.identifier for control in CONTROLS)
    assert [name for name, n in count.items() if n > 1] == []


def test_identifiers_are_well_formed() -> None:
    """Two letters, two digits: they are written in a reviewed file and in reports."""
    bad = [c.identifier for c in CONTROLS if not c.identifier[:2].isupper()]
    bad += [c.identifier for c in CONTROLS if c.identifier[2] != "-" or len(c.identifier) != 5]
    assert bad == []


def test_report_keeps_the_order_of_the_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Areas are judged at the same time; two reports are still compared line by line."""
    areas = tuple((f"Aire {n}", (_finding(True),) * n) for n in range(1, 9))
    monkeypatch.setattr(run, "AREAS", areas)
    monkeypatch.setattr(status, "containers", lambda *_: {"etcd1": "healthy"})
    monkeypatch.setattr(deviations, "load", dict)
    monkeypatch.setattr(versions, "all_said", lambda _: {})
    found = run.run(CLUSTER.topology, CLUSTER.home)
    assert [v.area for v in found.verdicts] == [name for name, rows in areas for _ in rows]


def test_no_cluster_is_an_operator_s_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred controls that cannot be verified would say less than one sentence."""
    monkeypatch.setattr(status, "containers", lambda *_: {"etcd1": "absent"})
    with pytest.raises(CitadelleError, match="invoke certs up"):
        run.run(CLUSTER.topology, CLUSTER.home)
