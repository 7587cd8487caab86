"""Latencies in buckets of a logarithmic scale: fixed memory, known error."""

from __future__ import annotations

import math
from array import array

# A bucket's upper bound is 5 % above its lower one: a percentile is overstated by at most 5 %.
GROWTH = 1.05
# Below 10 µs is the client's own noise; above 1,000 s nothing waits (see session.ANSWER_SECONDS).
LOWEST_SECONDS = 1e-5
HIGHEST_SECONDS = 1e3

_LOG_GROWTH = math.log(GROWTH)
BUCKETS = math.ceil(math.log(HIGHEST_SECONDS / LOWEST_SECONDS) / _LOG_GROWTH) + 1


class Histogram:
    """Counts of latencies (seconds) per bucket, and the exact maximum."""

    def __init__(self) -> None:
        self.counts = array("Q", bytes(8 * BUCKETS))
        self.count = 0
        self.maximum = 0.0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        self.counts[_bucket(seconds)] += 1
        self.count += 1
        self.maximum = max(self.maximum, seconds)

    def merge(self, other: Histogram) -> None:
        """Add everything that another one counted."""
        for index, count in enumerate(other.counts):
            if count:
                self.counts[index] += count
        self.count += other.count
        self.maximum = max(self.maximum, other.maximum)

    def clear(self) -> None:
        """Forget everything."""
        self.counts = array("Q", bytes(8 * BUCKETS))
        self.count = 0
        self.maximum = 0.0

    def percentile(self, percent: float) -> float:
        """Return the latency (s) that ``percent`` % of requests do not exceed; NaN when empty.

        Nearest rank, upper bound of the bucket, never above the maximum: the true value lies at
        most GROWTH below.
        """
        if not self.count:
            return math.nan
        rank = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for index, count in enumerate(self.counts[:-1]):
            seen += count
            if seen >= rank:
                return min(LOWEST_SECONDS * GROWTH ** (index + 1), self.maximum)
        return self.maximum


def _bucket(seconds: float) -> int:
    if seconds <= LOWEST_SECONDS:
        return 0
    return min(int(math.log(seconds / LOWEST_SECONDS) / _LOG_GROWTH), BUCKETS - 1)
