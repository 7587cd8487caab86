"""What a stress run showed: frozen, and judged against its plan."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from citadelle.stress.plan import THRESHOLDS, Plan
from citadelle.stress.verdict import Verdict


@dataclass(frozen=True)
class Second:
    """One second of the time line; latencies are None when nothing was answered in it."""

    at: int
    answered: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True)
class Mark:
    """Something that happened ``at`` seconds after the start: a fault, its end."""

    at: float
    text: str


@dataclass(frozen=True)
class Sample:
    """Resident memory of the program that makes the load (MB), ``at`` seconds after the start."""

    at: float
    megabytes: float


@dataclass(frozen=True)
class Gap:
    """A time without any acknowledged write, in seconds after the start."""

    at: float
    seconds: float


@dataclass(frozen=True)
class ErrorClass:
    """Errors of one kind; ``stage`` says whether the client was connecting or had asked."""

    stage: str
    name: str
    count: int
    first_message: str
    first_at: float


@dataclass(frozen=True)
class Result:
    """One run; latencies (ms) are those of answered requests, overstated by at most 5 %.

    ``longest_gap`` includes the time before the first and after the last write. ``refusals`` are
    attempts to connect that the pool repeated: the application saw none of them. ``unsent`` are
    requests that an open loop owed and that the end of the run overtook. ``memory`` has a sample
    a minute, and one once the ledger was compared.
    """

    plan: Plan
    started: str
    run: str
    duration_seconds: float
    writes: int
    reads: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    longest_gap: Gap | None
    errors: tuple[ErrorClass, ...]
    refusals: tuple[ErrorClass, ...]
    unsent: int
    seconds: tuple[Second, ...]
    marks: tuple[Mark, ...]
    verdict: Verdict
    memory: tuple[Sample, ...] = ()

    @property
    def answered(self) -> int:
        """Requests that succeeded."""
        return self.writes + self.reads

    @property
    def error_count(self) -> int:
        """Errors that the application saw."""
        return sum(error.count for error in self.errors)

    @property
    def longest_gap_seconds(self) -> float | None:
        """The longest time without an acknowledged write; None when the run wrote nothing."""
        return self.longest_gap.seconds if self.longest_gap else None

    @property
    def per_second(self) -> float:
        """Mean of requests answered per second."""
        return self.answered / self.duration_seconds if self.duration_seconds else 0.0

    def problems(self) -> list[str]:
        """Return, in French, all that makes the run a failure; empty when it is none."""
        verdict = self.verdict
        found = [
            f"écritures {what} : {count}"
            for what, count in (("perdues", verdict.lost), ("fantômes", verdict.phantom))
            if count
        ]
        found += [verdict.problem] if verdict.problem else []
        found += [] if self.answered else ["aucune requête n'a réussi"]
        return found + [
            problem for name in THRESHOLDS if (problem := self._exceeded(name)) is not None
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        shown = dataclasses.asdict(dataclasses.replace(self, plan=Plan()))
        return shown | {
            "plan": {**vars(self.plan), "fail_on": dict(self.plan.fail_on)},
            "answered": self.answered,
            "error_count": self.error_count,
            "per_second": self.per_second,
            "longest_gap_seconds": self.longest_gap_seconds,
            "problems": self.problems(),
        }

    def _exceeded(self, name: str) -> str | None:
        limit = self.plan.fail_on.get(name)
        if limit is None:
            return None
        value = MEASURES[name](self)
        if value is None:
            return f"{name} : rien à mesurer, limite {limit:g} {THRESHOLDS[name]}"
        wrong = value < limit if name == "throughput" else value > limit
        return f"{name} : {value:.3g}, limite {limit:g} {THRESHOLDS[name]}" if wrong else None


MEASURES: dict[str, Callable[[Result], float | None]] = {
    "errors": lambda result: result.error_count,
    "gap": lambda result: result.longest_gap_seconds,
    "p50": lambda result: result.p50_ms,
    "p99": lambda result: result.p99_ms,
    "max": lambda result: result.max_ms,
    "throughput": lambda result: result.per_second,
}


def milliseconds(seconds: float) -> float | None:
    """Return milliseconds to the microsecond; None for NaN, which JSON does not know."""
    return None if math.isnan(seconds) else round(1000 * seconds, 3)
