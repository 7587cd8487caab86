"""What one fault did, once: frozen, and judged against what was expected of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from citadelle.chaos.fault import Fault
from citadelle.chaos.judge import Judge
from citadelle.chaos.judge import Outcome as Answer
from citadelle.stress.result import Result
from citadelle.stress.verdict import Verdict

# Of the old primary, while the fault lasts: the first may be the last word of a connection that
# was open when it struck, lost with it.
REACHED = 2


@dataclass(frozen=True)
class Entrance:
    """What the clients of one entrance went through; seconds.

    ``gap`` is the longest time without an acknowledged write, None when there was none at all;
    ``errors`` counts those that the application saw, by class, ``phases`` those after each mark
    until the next one. ``lost_at`` are the first and the last moment (seconds since 1970) at which
    a lost write was acknowledged.
    ``unknown`` says why the ledger could not be compared.
    """

    lost: int
    phantom: int
    in_doubt: int
    writes: int
    gap: float | None
    errors: Mapping[str, int] = field(default_factory=dict)
    phases: Mapping[str, int] = field(default_factory=dict)
    lost_at: tuple[float, float] | None = None
    unknown: str = ""

    @property
    def compared(self) -> bool:
        """Tell whether there were writes, and all were looked for."""
        return bool(self.writes) and not self.unknown

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
        gap=result.longest_gap_seconds if result.writes else None,
        errors={f"{e.stage} : {e.name}": e.count for e in result.errors},
        phases=phases(result),
        lost_at=_lost_at(verdict),
        unknown=verdict.problem,
    )


def phases(result: Result) -> dict[str, int]:
    """Return the errors from each mark to the next, to the second; a mark's own second counts."""
    ends = [int(mark.at) for mark in result.marks[1:]]
    found = {}
    for mark, end in zip_longest(result.marks, ends, fillvalue=None):
        if mark is not None:
            inside = (s for s in result.seconds if int(mark.at) <= s.at)
            found[mark.text] = sum(s.errors for s in inside if end is None or s.at < end)
    return found


def _lost_at(verdict: Verdict) -> tuple[float, float] | None:
    if verdict.lost_first_at is None or verdict.lost_last_at is None:
        return None
    return verdict.lost_first_at, verdict.lost_last_at


@dataclass(frozen=True)
class Sight:
    """What the watcher saw: attempts, acknowledged ones, two primaries at once, a promotion.

    ``during`` counts the answers of each probe while the fault lasted.
    """

    samples: int
    acknowledged: int
    dual: int
    examples: tuple[str, ...] = ()
    promoted: bool = False
    during: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def sight(judge: Judge, during: Counter[tuple[str, Answer]]) -> Sight:
    """Return the judge's findings, and what the watcher was answered while the fault lasted."""
    examples = tuple(str(violation) for violation in judge.violations)
    probes = sorted({probe for probe, _ in during})
    return Sight(
        judge.samples,
        judge.acknowledged,
        judge.violation_count,
        examples,
        judge.promoted,
        {name: {a.value: during[name, a] for a in Answer} for name in probes},
    )


@dataclass(frozen=True)
class Outcome:
    """One fault, played once.

    ``health_seconds`` runs from the end of the fault to full health; None when it never came.
    ``incidents`` are what went wrong with the experiment itself, in French. ``foretold`` bounds
    when lost writes may have been acknowledged, where the fault may lose some. ``old_primary`` is
    the one that the fault struck, if it struck one.
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
    foretold: tuple[float, float] | None = None
    old_primary: str = ""

    def lost(self) -> list[str]:
        """Return what became of acknowledged writes, if anything."""
        found = []
        for name, seen in (("pooler", self.pooled), ("direct", self.direct)):
            found += [] if seen.writes else [f"aucune écriture acquittée ({name}) : rien à perdre"]
            if seen.lost and self.fault.loses_nothing:
                found.append(f"{seen.lost} écritures acquittées perdues ({name})")
            elif seen.lost and not within(seen.lost_at, self.foretold):
                found.append(f"{seen.lost} écritures perdues hors de la perte annoncée ({name})")
            found += [f"{seen.phantom} écritures fantômes ({name})"] if seen.phantom else []
            found += [f"grand livre non comparé ({name}) : {seen.unknown}"] if seen.unknown else []
        return found

    def dual(self) -> list[str]:
        """Return the evidence of two primaries, or of a watcher who could not have seen them."""
        if not self.watch.dual:
            return self.blind()
        return [
            f"deux primaires ({self.watch.dual} fois) : {self.watch.examples[0]}",
            *self.blind(),
        ]

    def blind(self) -> list[str]:
        """Return why two primaries might have gone unseen; empty when they could not."""
        if not self.watch.acknowledged:
            return ["le veilleur n'a vu aucune écriture acquittée"]
        if not self.fault.watched:
            return []
        seen = self.watch.during.get(self.old_primary, {})
        reached = sum(count for answer, count in seen.items() if answer != Answer.UNREACHABLE)
        if reached >= REACHED:
            return []
        asked, name = sum(seen.values()), self.old_primary or "inconnu"
        return [
            f"veilleur aveugle : ancien primaire ({name}) atteint {reached} fois sur {asked} "
            "pendant la panne"
        ]

    def effect(self) -> list[str]:
        """Return what the fault was certain to do and did not: then nothing was survived."""
        fault, gap, found = self.fault, self.pooled.gap, []
        if fault.promotes is not None and fault.promotes != self.watch.promoted:
            found.append(
                "la panne n'a pas eu lieu : aucun primaire n'a été promu"
                if fault.promotes
                else "un primaire a été promu, alors que rien ne devait l'être"
            )
        if fault.min_gap_seconds is not None and gap is not None and gap < fault.min_gap_seconds:
            found.append(
                f"la panne n'a pas eu lieu : {gap:.1f} s sans écriture "
                f"(au moins {fault.min_gap_seconds:g} s attendues)"
            )
        return found

    def failures(self) -> list[str]:
        """Return what must not happen in any run, whatever the medians say."""
        return [*self.lost(), *self.dual(), *self.effect(), *self.incidents]

    def problems(self) -> list[str]:
        """Return all that is not as it should be; empty when the fault was survived."""
        targets = missed(self.fault, self.pooled.gap, self.pooled.error_count)
        return [*self.failures(), *targets, *self.noise()]

    def noise(self) -> list[str]:
        """Return what pooled clients saw where they must see nothing, or that nobody looked."""
        seen = ((name, self.pooled.phases.get(name)) for name in self.fault.quiet)
        return [
            f"repère « {name} » absent : les erreurs qui le suivent ne sont pas jugées"
            if errors is None
            else f"{errors} erreurs par le pooler après « {name} »"
            for name, errors in seen
            if errors != 0
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        shown = dataclasses.asdict(self)
        del shown["fault"]
        return {
            "name": self.fault.name,
            "title": self.fault.title,
            "max_gap_seconds": self.fault.max_gap_seconds,
            "max_pooled_errors": self.fault.max_pooled_errors,
            "promotes": self.fault.promotes,
            "min_gap_seconds": self.fault.min_gap_seconds,
            **shown,
            "problems": self.problems(),
        }


def within(lost: tuple[float, float] | None, foretold: tuple[float, float] | None) -> bool:
    """Tell whether what was lost had been foretold; not, when nothing was."""
    if lost is None or foretold is None:
        return False
    return foretold[0] <= lost[0] and lost[1] <= foretold[1]


def missed(fault: Fault, gap: float | None, errors: float) -> list[str]:
    """Return which targets of a fault pooled clients' gap (seconds) and errors do not meet."""
    found = []
    limit, most = fault.max_gap_seconds, fault.max_pooled_errors
    if gap is not None and limit is not None and gap > limit:
        found.append(f"{gap:.1f} s sans écriture (cible : {limit:g} s)")
    if most is not None and errors > most:
        found.append(f"{errors:g} erreurs par le pooler (cible : {most})")
    return found
