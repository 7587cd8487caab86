"""What clients saw, second by second, in memory that does not grow with requests.

One open second holds a histogram; a closed one keeps five numbers (40 bytes). The clock is
monotonic: setting the machine's time changes no figure.
"""

from __future__ import annotations

import math
import threading
import time
from array import array
from dataclasses import dataclass, replace

import psycopg

from citadelle.stress.histogram import Histogram
from citadelle.stress.pace import Clock
from citadelle.stress.result import ErrorClass, Gap, Mark, Second, milliseconds

# What a closed second keeps: requests answered, errors, p50, p99, maximum (s).
COLUMNS = 5
# Enough to recognise an error; libpq lists every host that it tried.
MESSAGE_LENGTH = 400


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at one moment; latencies are those of the last full second."""

    elapsed: float
    answered: int
    last: Second | None
    errors: tuple[ErrorClass, ...]
    gap_seconds: float | None


def describe(error: Exception) -> tuple[str, str]:
    """Return an error's class, SQLSTATE's two characters or its name, and its message."""
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    return state[:2] if state else type(error).__name__, " ".join(str(error).split())


class Recorder:
    """Counts, latencies, errors, gaps and marks of one run; safe from any thread."""

    def __init__(self, *, writes: bool = True, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.start = clock()
        self.reads = 0
        self.acknowledged = 0
        self.total = Histogram()
        self.gap = Gap(0.0, 0.0)
        self._writes = writes
        self._last_write = self.start
        self._lock = threading.Lock()
        self._second = Histogram()
        self._failed = 0
        self._closed = array("d")
        self._errors: dict[tuple[str, str], ErrorClass] = {}
        self._refusals: dict[tuple[str, str], ErrorClass] = {}
        self._marks: list[Mark] = []

    def answered(self, due: float, now: float, *, write: bool) -> None:
        """Count a request due and answered at these moments (clock)."""
        with self._lock:
            self._roll(now)
            self._second.add(now - due)
            if write:
                self.acknowledged += 1
                self._widen(now)
            else:
                self.reads += 1

    def failed(self, stage: str, error: Exception) -> None:
        """Count an error that the application sees, when connecting or at a request."""
        with self._lock:
            now = self.clock()
            self._roll(now)
            self._failed += 1
            _count(self._errors, stage, error, now - self.start)

    def refused(self, error: Exception) -> None:
        """Count an attempt to connect that the pool hides from the application by another one."""
        with self._lock:
            _count(self._refusals, "connexion", error, self.clock() - self.start)

    def mark(self, text: str) -> None:
        """Put a mark on the time line, now."""
        with self._lock:
            self._marks.append(Mark(self.clock() - self.start, text))

    def finish(self, end: float) -> None:
        """Close the last second; an outage that lasts until ``end`` (clock) is a gap too."""
        with self._lock:
            self._widen(max(end, self._last_write))
            self._roll(max(end, self.clock()))
            if self._second.count or self._failed:
                self._close()

    def snapshot(self) -> Snapshot:
        """Return the state now; a gap that is still open counts."""
        with self._lock:
            now = self.clock()
            self._roll(now)
            gap = max(self.gap.seconds, now - self._last_write) if self._writes else None
            seconds = self._seconds(max(0, len(self._closed) // COLUMNS - 1))
            answered = self.acknowledged + self.reads
            last = seconds[0] if seconds else None
            return Snapshot(now - self.start, answered, last, self.errors(), gap)

    def errors(self) -> tuple[ErrorClass, ...]:
        """Return what the application saw, the most frequent first."""
        return tuple(sorted(self._errors.values(), key=lambda e: -e.count))

    def refusals(self) -> tuple[ErrorClass, ...]:
        """Return the attempts to connect that the pool repeated, the most frequent first."""
        return tuple(sorted(self._refusals.values(), key=lambda e: -e.count))

    def marks(self) -> tuple[Mark, ...]:
        """Return the marks in order."""
        return tuple(self._marks)

    def seconds(self) -> tuple[Second, ...]:
        """Return every closed second."""
        return tuple(self._seconds(0))

    def _seconds(self, first: int) -> list[Second]:
        found = []
        for at in range(first, len(self._closed) // COLUMNS):
            done, errors, *latencies = self._closed[at * COLUMNS : (at + 1) * COLUMNS]
            found.append(Second(at, int(done), int(errors), *map(milliseconds, latencies)))
        return found

    def _widen(self, now: float) -> None:
        """Note the time since the last acknowledged write, if it is the longest."""
        if now - self._last_write > self.gap.seconds:
            self.gap = Gap(self._last_write - self.start, now - self._last_write)
        self._last_write = max(self._last_write, now)

    def _roll(self, now: float) -> None:
        """Close the seconds before this moment."""
        while len(self._closed) // COLUMNS < math.floor(now - self.start):
            self._close()

    def _close(self) -> None:
        second = self._second
        latencies = (second.percentile(50), second.percentile(99), second.maximum)
        if not second.count:
            latencies = (math.nan, math.nan, math.nan)
        self._closed.extend((second.count, self._failed, *latencies))
        self.total.merge(second)
        if second.count:
            second.clear()
        self._failed = 0


def _count(
    known: dict[tuple[str, str], ErrorClass], stage: str, error: Exception, at: float
) -> None:
    name, message = describe(error)
    first = known.get((stage, name)) or ErrorClass(stage, name, 0, message[:MESSAGE_LENGTH], at)
    known[stage, name] = replace(first, count=first.count + 1)
