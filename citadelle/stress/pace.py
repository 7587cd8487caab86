"""When each request is due, and when the run is over."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable

from citadelle.stress.plan import Plan

Clock = Callable[[], float]


class Pace:
    """Hands out requests to clients; whoever is free takes the next one.

    In an open loop the n-th request is due n / rate seconds after the start, whether or not
    somebody was free to send it: a stall delays requests, it does not cancel them.
    """

    def __init__(self, plan: Plan, clock: Clock = time.monotonic) -> None:
        self.plan = plan
        self.clock = clock
        self.start = clock()
        self._end = math.inf if plan.duration_seconds is None else plan.duration_seconds
        self._end += self.start
        self._numbers = itertools.count()  # next() on it is atomic
        self._idle = itertools.count(1)
        self._stopped = threading.Event()

    def take(self) -> float | None:
        """Wait for the next request and return when it was due (clock); None when it is over."""
        number = next(self._numbers)
        if self.plan.requests is not None and number >= self.plan.requests:
            # The last client to find nothing ends the run: others may hold the last numbers.
            if next(self._idle) >= self.plan.threads:
                self.stop()
            return None
        due = self.start + number / self.plan.rate if self.plan.rate else self.clock()
        self._stopped.wait(min(due, self._end) - self.clock())
        return None if self.over() else due

    def pause(self) -> None:
        """Wait between two requests of a client."""
        if self.plan.pause_seconds:
            self.wait(self.plan.pause_seconds)

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run."""
        self._stopped.wait(min(seconds, self._end - self.clock()))

    def stop(self) -> None:
        """End the run now, if it has not ended yet."""
        self._end = min(self._end, self.clock())
        self._stopped.set()

    def over(self) -> bool:
        """Tell whether no request may start any more."""
        return self.clock() >= self._end

    @property
    def end(self) -> float:
        """The moment (clock) when it ended or will end; infinite if nobody knows yet."""
        return self._end

    def due(self) -> int | None:
        """Return how many requests an open loop owed by its end; None in a closed loop."""
        if not self.plan.rate or not math.isfinite(self._end):
            return None
        owed = math.ceil((self._end - self.start) * self.plan.rate)
        return owed if self.plan.requests is None else min(owed, self.plan.requests)
