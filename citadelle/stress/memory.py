"""Memory of this program during a run: it must not grow with the requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from citadelle.stress.pace import Clock
from citadelle.stress.result import Sample

# An hour gives sixty points: a slope shows, and they cost nothing themselves.
EVERY_SECONDS = 60.0
# proc(5): sizes in pages; the second is what is resident.
STATM = Path("/proc/self/statm")
MEGA = 1_000_000


def resident() -> float:
    """Return the resident memory of this process (MB), all its threads included."""
    pages = int(STATM.read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGA


class Memory:
    """One sample a minute, from whichever thread looks; and one when asked."""

    def __init__(self, clock: Clock, read: Callable[[], float] = resident) -> None:
        self.clock, self.read, self.start = clock, read, clock()
        self._samples: list[Sample] = []
        self._lock = threading.Lock()

    def look(self) -> None:
        """Take a sample if one is due."""
        with self._lock:
            if self.clock() - self.start >= len(self._samples) * EVERY_SECONDS:
                self._take()

    def take(self) -> None:
        """Take a sample now."""
        with self._lock:
            self._take()

    def samples(self) -> tuple[Sample, ...]:
        """Return them in order."""
        return tuple(self._samples)

    def _take(self) -> None:
        self._samples.append(Sample(self.clock() - self.start, self.read()))
