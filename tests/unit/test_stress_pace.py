"""When requests are due: the plan decides, not how fast the cluster answers."""

from __future__ import annotations

import pytest

from citadelle.stress.pace import Pace
from citadelle.stress.plan import Plan
from tests.unit.stress_lab import Clock


def test_open_loop_keeps_its_cadence_through_a_stall() -> None:
    """After a stall of an hour, the next request is still the one that was due at its start."""
    clock = Clock()
    pace = Pace(Plan(rate=10), clock)
    clock.now += 3600

    assert [pace.take() for _ in range(3)] == [100.0, 100.1, 100.2]


def test_closed_loop_asks_now() -> None:
    """Without a rate, a request is due when its client is free."""
    clock = Clock()
    pace = Pace(Plan(), clock)
    clock.now += 5

    assert pace.take() == 105.0


@pytest.mark.parametrize("plan", [Plan(requests=3), Plan(requests=3, rate=1e6)])
def test_requests_end_the_run(plan: Plan) -> None:
    """No one more."""
    pace = Pace(plan, Clock(200.0))
    pace.start -= 100  # in an open loop, all of them are due already

    assert [pace.take() is None for _ in range(5)] == [False, False, False, True, True]


def test_last_requests_are_not_cancelled() -> None:
    """A client that finds no more leaves alone the one that holds the last number."""
    clock = Clock()
    pace = Pace(Plan(threads=2, requests=1), clock)
    held = pace.take()

    assert (held, pace.take(), pace.over()) == (100.0, None, False)
    assert (pace.take(), pace.over()) == (None, True)


def test_duration_ends_the_run() -> None:
    """At its end, nothing starts."""
    clock = Clock()
    pace = Pace(Plan(duration_seconds=10), clock)
    clock.now += 10

    assert (pace.take(), pace.over(), pace.end) == (None, True, 110.0)


def test_stop_ends_the_run_before_its_time() -> None:
    """The earlier end counts, once."""
    clock = Clock()
    pace = Pace(Plan(duration_seconds=10), clock)
    clock.now += 4
    pace.stop()
    clock.now += 4
    pace.stop()

    assert (pace.take(), pace.end) == (None, 104.0)


@pytest.mark.parametrize(
    ("plan", "owed"),
    [(Plan(rate=10), 40), (Plan(rate=10, requests=15), 15), (Plan(), None)],
)
def test_open_loop_knows_what_it_owed(plan: Plan, owed: int | None) -> None:
    """What a stall at the very end kept from being sent is not forgotten."""
    clock = Clock()
    pace = Pace(plan, clock)
    clock.now += 4
    pace.stop()

    assert pace.due() == owed
