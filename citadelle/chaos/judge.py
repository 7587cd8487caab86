"""Do two members accept writes? Judged from samples, without a cluster.

A sample is one attempt at a committed write; only an acknowledged commit means that a server
accepts writes: one that answers a query, or writes a row that it cannot commit, does not.

A promotion begins a timeline above all others. So once a server has acknowledged a write on some
timeline, no other server may acknowledge, on that timeline or an older one, a write that began
after that acknowledgement. Two writes that overlap prove nothing: either may have come first. A
primary that gets its place back does so on a newer timeline, and is none.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

# Enough to look at; all are counted.
EXAMPLES = 20


class Outcome(StrEnum):
    """How one attempt to write ended."""

    ACKNOWLEDGED = "acquittée"
    REFUSED = "refusée"
    SILENT = "sans réponse"
    UNREACHABLE = "injoignable"


@dataclass(frozen=True)
class Sample:
    """One attempt by one probe; times in seconds of one monotonic clock.

    ``node`` and ``timeline`` are the server's own words, known once it has answered.
    """

    probe: str
    started: float
    ended: float
    outcome: Outcome
    node: str = ""
    timeline: int = 0


@dataclass(frozen=True)
class Violation:
    """``late`` was acknowledged by another server than ``early``, whose time was over."""

    early: str
    early_timeline: int
    late: str
    late_timeline: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.late} (timeline {self.late_timeline}) a acquitté une écriture commencée "
            f"{self.seconds:.3f} s après un acquittement de {self.early} "
            f"(timeline {self.early_timeline})"
        )


class Judge:
    """Samples of several threads, in any order; memory grows with promotions, not with time."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Outcome]] = Counter()
        self.violation_count = 0
        self.violations: list[Violation] = []
        self._first_end: dict[tuple[str, int], float] = {}
        self._last_start: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()

    def add(self, sample: Sample) -> None:
        """Take one sample into account."""
        with self._lock:
            self.counts[sample.probe, sample.outcome] += 1
            if sample.outcome is Outcome.ACKNOWLEDGED:
                self._acknowledged(sample)

    @property
    def acknowledged(self) -> int:
        """How many writes were acknowledged, by whatever server."""
        return sum(n for (_, outcome), n in self.counts.items() if outcome is Outcome.ACKNOWLEDGED)

    @property
    def promoted(self) -> bool:
        """Tell whether writes were acknowledged by two servers, or on two timelines."""
        return len(self._first_end) > 1

    @property
    def answered(self) -> set[str]:
        """The probes that a server told, at least once, whether it takes writes."""
        told = (Outcome.ACKNOWLEDGED, Outcome.REFUSED)
        with self._lock:
            return {probe for probe, outcome in self.counts if outcome in told}

    def tally(self) -> Counter[tuple[str, Outcome]]:
        """Return how often each probe had each answer so far."""
        with self._lock:
            return self.counts.copy()

    @property
    def samples(self) -> int:
        """How many attempts there were."""
        return sum(self.counts.values())

    def _acknowledged(self, sample: Sample) -> None:
        own = (sample.node, sample.timeline)
        for (node, timeline), end in self._first_end.items():
            if node != sample.node and timeline >= sample.timeline and end < sample.started:
                self._violated(Violation(node, timeline, *own, sample.started - end))
        for (node, timeline), start in self._last_start.items():
            if node != sample.node and timeline <= sample.timeline and sample.ended < start:
                self._violated(Violation(*own, node, timeline, start - sample.ended))
        self._first_end[own] = min(self._first_end.get(own, sample.ended), sample.ended)
        self._last_start[own] = max(self._last_start.get(own, sample.started), sample.started)

    def _violated(self, violation: Violation) -> None:
        self.violation_count += 1
        if len(self.violations) < EXAMPLES:
            self.violations.append(violation)
