"""Figures: percentiles within their bound, gaps that nothing hides, seconds without holes."""

from __future__ import annotations

import math

import psycopg
import pytest

from citadelle.stress.histogram import GROWTH, HIGHEST_SECONDS, Histogram
from citadelle.stress.recorder import Recorder
from citadelle.stress.result import Gap, Mark
from tests.unit.stress_lab import LOST, Clock


@pytest.mark.parametrize("percent", [1, 50, 90, 99, 99.9, 100])
def test_percentile_is_overstated_by_its_bound_at_most(percent: float) -> None:
    """Never understated: 10,000 latencies from 10 µs to 100 s."""
    latencies = sorted(1e-5 * 10 ** (7 * n / 10_000) for n in range(1, 10_001))
    histogram = Histogram()
    for latency in latencies:
        histogram.add(latency)
    exact = latencies[math.ceil(len(latencies) * percent / 100) - 1]

    assert exact <= histogram.percentile(percent) * (1 + 1e-9)
    assert histogram.percentile(percent) <= exact * GROWTH


def test_percentile_never_exceeds_the_maximum() -> None:
    """One latency is its own p99."""
    histogram = Histogram()
    histogram.add(0.123)

    assert histogram.percentile(99) == 0.123


@pytest.mark.parametrize("latency", [0.0, 1e-9, HIGHEST_SECONDS * 5])
def test_latency_beyond_the_scale_is_counted(latency: float) -> None:
    """In the outermost bucket."""
    histogram = Histogram()
    histogram.add(latency)

    assert histogram.percentile(50) == latency


def test_merged_histograms_are_one() -> None:
    """The run's percentiles are made of its seconds'."""
    both, left, right = Histogram(), Histogram(), Histogram()
    for n in range(1, 1000):
        both.add(n / 1000)
        (left if n % 3 else right).add(n / 1000)
    left.merge(right)

    assert (left.counts, left.count, left.maximum) == (both.counts, both.count, both.maximum)


@pytest.fixture
def clock() -> Clock:
    """Time at the start of a run."""
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    """A run that writes."""
    return Recorder(clock=clock)


def write(recorder: Recorder, *moments: float) -> None:
    """Acknowledge a write at each moment, in seconds after the start."""
    for moment in moments:
        now = recorder.start + moment
        recorder.answered(now, now, write=True)


@pytest.mark.parametrize(
    ("writes", "gap"),
    [
        ((1.0, 2.0, 7.5, 9.0), Gap(2.0, 5.5)),
        ((6.0, 8.0), Gap(0.0, 6.0)),
        ((1.0, 2.0), Gap(2.0, 8.0)),
        ((), Gap(0.0, 10.0)),
    ],
    ids=["between", "before the first", "after the last", "no write at all"],
)
def test_longest_gap(recorder: Recorder, writes: tuple[float, ...], gap: Gap) -> None:
    """Ten seconds of run: an outage at either end is one too."""
    write(recorder, *writes)
    recorder.finish(recorder.start + 10)

    assert recorder.gap == gap


def test_reads_and_errors_do_not_close_a_gap(recorder: Recorder, clock: Clock) -> None:
    """Only an acknowledged write does."""
    write(recorder, 1.0)
    for moment in (2.0, 3.0, 4.0):
        clock.now = recorder.start + moment
        recorder.answered(clock.now, clock.now, write=False)
        recorder.failed("requête", LOST)
    write(recorder, 5.0)
    recorder.finish(recorder.start + 5)

    assert recorder.gap == Gap(1.0, 4.0)


def test_open_gap_is_live(recorder: Recorder, clock: Clock) -> None:
    """The live line shows an outage while it lasts."""
    write(recorder, 1.0)
    clock.now += 31

    assert recorder.snapshot().gap_seconds == 30.0


def test_silent_seconds_are_on_the_time_line(recorder: Recorder) -> None:
    """As zeros: a chart that skips them would hide the outage."""
    write(recorder, 0.5, 0.6, 4.5)
    recorder.finish(recorder.start + 5)

    assert [second.answered for second in recorder.seconds()] == [2, 0, 0, 0, 1]
    assert [second.p99_ms for second in recorder.seconds()][1:4] == [None] * 3


def test_last_second_is_kept_when_cut_short(recorder: Recorder, clock: Clock) -> None:
    """A request answered in it is in the total too."""
    write(recorder, 0.25)
    clock.now += 0.5
    recorder.finish(clock.now)

    assert [second.answered for second in recorder.seconds()] == [1]
    assert recorder.total.count == 1


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (psycopg.errors.AdminShutdown("terminating"), "57"),
        (psycopg.errors.UniqueViolation("duplicate"), "23"),
        (LOST, "OperationalError"),
    ],
)
def test_errors_are_classed(recorder: Recorder, error: psycopg.Error, name: str) -> None:
    """By SQLSTATE class, or by exception when the server said nothing."""
    recorder.failed("requête", error)

    assert [(e.stage, e.name) for e in recorder.errors()] == [("requête", name)]


def test_first_message_of_a_class_is_kept(recorder: Recorder, clock: Clock) -> None:
    """On one line, with its moment; the others are counted."""
    clock.now += 2
    recorder.failed("requête", psycopg.OperationalError("premier\n\tmessage"))
    clock.now += 2
    recorder.failed("requête", psycopg.OperationalError("second"))
    (error,) = recorder.errors()

    assert (error.count, error.first_message, error.first_at) == (2, "premier message", 2.0)


def test_refusals_are_no_errors(recorder: Recorder) -> None:
    """What the pool repeats, the application does not see."""
    recorder.refused(LOST)

    assert (recorder.errors(), len(recorder.refusals())) == ((), 1)


def test_marks_carry_their_moment(recorder: Recorder, clock: Clock) -> None:
    """Seconds after the start."""
    clock.now += 12
    recorder.mark("panne")

    assert recorder.marks() == (Mark(12.0, "panne"),)
