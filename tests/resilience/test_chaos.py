"""Each fault on a cluster under load: it took place, nothing lost, one primary, back to health.

The short set is in every verification; the others, and the targets of all, are marked `slow`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from citadelle.chaos import mend, outcome, report, run
from citadelle.chaos.catalogue import FAULTS, SHORT
from citadelle.chaos.fault import Fault, Field
from citadelle.chaos.outcome import Outcome
from citadelle.errors import CitadelleError
from tests.arena import Arena

pytestmark = pytest.mark.disruptive

EVERY = [
    pytest.param(fault, id=fault.name, marks=() if fault.name in SHORT else pytest.mark.slow)
    for fault in FAULTS
]


@pytest.fixture(scope="module")
def outcomes(arena: Arena) -> Iterator[list[Outcome]]:
    """What was seen of every fault so far; written to reports/ at the end."""
    seen: list[Outcome] = []
    yield seen
    if seen:
        report.show(seen)
        report.write(arena.topology, seen)


@pytest.fixture(scope="module", params=EVERY)
def played(request: pytest.FixtureRequest, arena: Arena, outcomes: list[Outcome]) -> Outcome:
    """One fault, played once for all the tests that look at it."""
    fault: Fault = request.param
    run.require(arena.topology)
    tools = run.instruments(arena.topology, arena.home)
    try:
        found = run.once(fault, Field(arena.topology, arena.home), tools)
    except CitadelleError:
        # The next fault starts from a cluster that is whole again, or says that it is not.
        mend.everything(arena.topology, arena.home)
        raise
    outcomes.append(found)
    return found


def test_nothing_is_lost(played: Outcome) -> None:
    """Every acknowledged write is on the primary afterwards, and no other."""
    assert played.lost() == []


def test_one_primary_at_a_time(played: Outcome) -> None:
    """At no sample do two members accept writes."""
    assert played.dual() == []


def test_took_place(played: Outcome) -> None:
    """What the fault is certain to do was seen: an injection without effect proves nothing."""
    assert played.effect() == []


def test_comes_back_to_health(played: Outcome) -> None:
    """Within the fault's deadline; and the experiment itself went through."""
    assert played.incidents == ()
    assert played.health_seconds is not None


def test_pooled_clients_see_no_error_where_none_is_due(played: Outcome) -> None:
    """What is planned costs them a wait, every time; the rest may, but not after a quiet mark."""
    if played.fault.max_pooled_errors == 0:
        assert played.pooled.errors == {}
    assert played.noise() == []


@pytest.mark.slow
def test_meets_its_targets(played: Outcome) -> None:
    """The longest write gap and the errors of pooled clients, where there is a target.

    On demand: targets are about medians, which `invoke chaos.run --runs 5` judges.
    """
    seen = played.pooled

    assert outcome.missed(played.fault, seen.gap, seen.error_count) == []
