"""What one fault did, once: frozen, and judged against what was expected of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from citadelle.chaos.fault import Fault
from citadelle.chaos.judge import Judge
from citadelle.stress.result import Result


@dataclass(frozen=True)
class Entrance:
    """What the clients of one entrance went through; seconds.

    ``gap`` is the longest time without an acknowledged write; ``errors`` counts those that the
    application saw, by class; ``unknown`` says why the ledger could not be compared.
    """

    lost: int
    phantom: int
    in_doubt: int
    writes: int
    gap: float | None
    errors: Mapping[str, int] = field(default_factory=dict)
    unknown: str = ""

    @property
    def error_count(self) -> int:
        """Errors of every class."""
        return sum(self.errors.values())


def entrance(result: Result) -> Entrance:
    """Return what a load saw."""
    verdict = result.verdict
    return Entrance(
        lost=verdict.lost,
        phantom=verdict.phantom,
        in_doubt=verdict.doubt,
        writes=result.writes,
        gap=result.longest_gap_seconds,
        errors={f"{e.stage} : {e.name}": e.count for e in result.errors},
        unknown=verdict.problem,
    )


@dataclass(frozen=True)
class Sight:
    """What the watcher saw: attempts, acknowledged ones, two primaries at once."""

    samples: int
    acknowledged: int
    dual: int
    examples: tuple[str, ...] = ()


def sight(judge: Judge) -> Sight:
    """Return the judge's findings."""
    examples = tuple(str(violation) for violation in judge.violations)
    return Sight(judge.samples, judge.acknowledged, judge.violation_count, examples)


@dataclass(frozen=True)
class Outcome:
    """One fault, played once.

    ``health_seconds`` runs from the end of the fault to full health; None when it never came.
    ``incidents`` are what went wrong with the experiment itself, in French.
    """

    fault: Fault
    started: str
    held_seconds: float
    health_seconds: float | None
    pooled: Entrance
    direct: Entrance
    watch: Sight
    notes: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()

    def lost(self) -> list[str]:
        """Return what became of acknowledged writes, if anything."""
        found = []
        for name, seen in (("pooler", self.pooled), ("direct", self.direct)):
            if seen.lost and self.fault.loses_nothing:
                found.append(f"{seen.lost} écritures acquittées perdues ({name})")
            found += [f"{seen.phantom} écritures fantômes ({name})"] if seen.phantom else []
            found += [f"grand livre non comparé ({name}) : {seen.unknown}"] if seen.unknown else []
        return found

    def dual(self) -> list[str]:
        """Return the evidence of two primaries, or of a watcher who saw nothing at all."""
        if not self.watch.acknowledged:
            return ["le veilleur n'a vu aucune écriture acquittée"]
        if not self.watch.dual:
            return []
        return [f"deux primaires ({self.watch.dual} fois) : {self.watch.examples[0]}"]

    def failures(self) -> list[str]:
        """Return what must not happen in any run, whatever the medians say."""
        return [*self.lost(), *self.dual(), *self.incidents]

    def problems(self) -> list[str]:
        """Return all that is not as it should be; empty when the fault was survived."""
        targets = missed(self.fault, self.pooled.gap, self.pooled.error_count)
        return [*self.failures(), *targets]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        shown = dataclasses.asdict(self)
        del shown["fault"]
        return {
            "name": self.fault.name,
            "title": self.fault.title,
            "max_gap_seconds": self.fault.max_gap_seconds,
            "max_pooled_errors": self.fault.max_pooled_errors,
            **shown,
            "problems": self.problems(),
        }


def missed(fault: Fault, gap: float | None, errors: float) -> list[str]:
    """Return which targets of a fault pooled clients' gap (seconds) and errors do not meet."""
    found = ["aucune écriture par le pooler"] if gap is None else []
    limit, most = fault.max_gap_seconds, fault.max_pooled_errors
    if gap is not None and limit is not None and gap > limit:
        found.append(f"{gap:.1f} s sans écriture (cible : {limit:g} s)")
    if most is not None and errors > most:
        found.append(f"{errors:g} erreurs par le pooler (cible : {most})")
    return found
