"""The drills as faults: what they touch, and what their outcome is judged by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from citadelle.chaos import outcome, report
from citadelle.dr import drills
from citadelle.stress.ledger import Entry
from citadelle.stress.ledger import Outcome as Told
from citadelle.stress.result import Mark, Second
from citadelle.stress.verdict import compare
from tests.unit import chaos_lab
from tests.unit.chaos_lab import QUIET
from tests.unit.test_dr_plan import TOPOLOGY

# The mark was put, and nothing followed it.
SILENT = replace(QUIET, phases={drills.BACK: 0})
LOSES = chaos_lab.fault(loses_nothing=False, quiet=(drills.BACK,))


def test_sites() -> None:
    """Every container that runs something, none that only holds a network."""
    assert drills.site(TOPOLOGY, remote=True) == [
        *("etcd3", "pg3", "pg3-gw", "haproxy2", "pgbouncer2"),
    ]
    assert len(drills.site(TOPOLOGY, remote=False)) == 8  # 2 etcd, 2 pods of 2, 2


@pytest.mark.parametrize(
    ("lost_at", "problems"),
    [((11.0, 12.0), 0), ((9.0, 12.0), 1), ((11.0, 14.0), 1)],
    ids=["dedans", "avant", "après"],
)
def test_a_loss_is_held_against_the_bound(lost_at: tuple[float, float], problems: int) -> None:
    """What the operator was told before is what the ledger shows, or it is a failure."""
    pooled = replace(SILENT, lost=3, lost_at=lost_at)
    seen = chaos_lab.outcome(fault=LOSES, pooled=pooled, foretold=(10.0, 13.0))

    assert len(seen.problems()) == problems


def test_a_loss_that_nobody_foretold() -> None:
    """Is one too many, even of a fault that may lose some."""
    pooled = replace(SILENT, lost=1, lost_at=(11.0, 11.0))

    assert (
        "hors de la perte annoncée" in chaos_lab.outcome(fault=LOSES, pooled=pooled).problems()[0]
    )


def test_no_error_during_the_switchover_back() -> None:
    """Those of the outage are another matter."""
    noisy = replace(QUIET, phases={"dr.promote": 40, drills.BACK: 2})

    found = chaos_lab.outcome(fault=LOSES, pooled=noisy)

    assert found.problems() == [f"2 erreurs par le pooler après « {drills.BACK} »"]
    assert not report.survived([found])


def test_a_mark_that_was_never_put() -> None:
    """The switchover back did not begin: that it cost no error is not known."""
    noisy = replace(QUIET, phases={"dr.promote": 40})
    found = chaos_lab.outcome(fault=LOSES, pooled=noisy)

    (problem,) = found.problems()
    assert f"repère « {drills.BACK} » absent" in problem
    assert chaos_lab.outcome(fault=LOSES, pooled=SILENT).problems() == []
    assert not report.survived([found])


def test_errors_by_phase() -> None:
    """From each mark to the next; the last one to the end."""
    seconds = tuple(
        Second(at, 0, errors, None, None, None) for at, errors in enumerate([1, 2, 4, 8])
    )
    marks = (Mark(1.4, "panne"), Mark(3.2, "fin"))
    result = replace(chaos_lab.result(), seconds=seconds, marks=marks)

    assert outcome.phases(result) == {"panne": 6, "fin": 8}
    assert outcome.phases(replace(result, marks=())) == {}


def test_when_lost_writes_were_acknowledged() -> None:
    """The first and the last of them, by the client's clock."""
    sent = [Entry(Told.ACKNOWLEDGED, 0, number, 100.0 + number, 1, 2) for number in range(4)]
    found = compare(sent, [(0, 0), (0, 3)])

    assert (found.lost, found.lost_first_at, found.lost_last_at) == (2, 101.0, 102.0)
