"""Several runs of the same fault as one line: sums of what must never happen, medians of times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from citadelle.chaos.fault import Fault
from citadelle.chaos.outcome import Entrance, Outcome, missed


@dataclass(frozen=True)
class Line:
    """One fault over its runs; times in seconds, None when no run has any.

    ``gap``, ``health`` and the numbers of errors are medians; ``worst_gap`` is the longest of
    all; ``lost``, ``phantom`` and ``dual`` are sums over both entrances and all runs, but for
    ``uncompared`` ledgers and for runs whose watcher was ``blind``, of which nothing is known.
    ``problems``: targets are judged on the medians, failures one by one.
    """

    fault: Fault
    runs: int
    lost: int
    phantom: int
    dual: int
    uncompared: int
    blind: int
    gap: float | None
    worst_gap: float | None
    direct_gap: float | None
    pooled_errors: float
    direct_errors: float
    pooled_classes: dict[str, int]
    direct_classes: dict[str, int]
    health: float | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the line as plain JSON values."""
        found = {name: value for name, value in vars(self).items() if name != "fault"}
        return {"name": self.fault.name, "title": self.fault.title, **found}


@dataclass(frozen=True)
class Headline:
    """One promise over all faults: kept, broken, or not verified."""

    kept: bool
    text: str


def headlines(found: Sequence[Line]) -> tuple[Headline, Headline]:
    """Return what became of acknowledged writes, and of the one primary; what nobody saw is ✘."""
    runs = sum(line.runs for line in found)
    lost = sum(line.lost + line.phantom for line in found)
    dual = sum(line.dual for line in found)
    uncompared = sum(line.uncompared for line in found)
    blind = sum(line.blind for line in found)
    return (
        _headline(
            f"{lost} écriture acquittée perdue ou fantôme",
            lost,
            f"{uncompared} grands livres sur {2 * runs} non comparés",
            uncompared or not runs,
        ),
        _headline(
            f"{dual} fois deux primaires à la fois",
            dual,
            f"veilleur aveugle dans {blind} essais sur {runs}",
            blind or not runs,
        ),
    )


def _headline(count: str, broken: int, gap: str, unverified: int) -> Headline:
    if broken:
        return Headline(False, f"✘ {count}" + (f" ({gap})." if unverified else "."))
    if unverified:
        return Headline(False, f"✘ Non vérifié : {gap}.")
    return Headline(True, f"✔ {count}.")


def lines(outcomes: Iterable[Outcome]) -> list[Line]:
    """Return one line per fault, in the order in which they were first played."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.fault.name, []).append(outcome)
    return [_line(group) for group in groups.values()]


def _line(runs: Sequence[Outcome]) -> Line:
    entrances = [entrance for run in runs for entrance in (run.pooled, run.direct)]
    gaps = [run.pooled.gap for run in runs if run.pooled.gap is not None]
    gap, errors = _median(gaps), median(run.pooled.error_count for run in runs)
    return Line(
        fault=runs[0].fault,
        runs=len(runs),
        lost=sum(e.lost for e in entrances),
        phantom=sum(e.phantom for e in entrances),
        dual=sum(run.watch.dual for run in runs),
        uncompared=sum(not e.compared for e in entrances),
        blind=sum(bool(run.blind()) for run in runs),
        gap=gap,
        worst_gap=max(gaps, default=None),
        direct_gap=_median(run.direct.gap for run in runs),
        pooled_errors=errors,
        direct_errors=median(run.direct.error_count for run in runs),
        pooled_classes=_classes(runs, lambda run: run.pooled),
        direct_classes=_classes(runs, lambda run: run.direct),
        health=_median(run.health_seconds for run in runs),
        problems=(*_failures(runs), *missed(runs[0].fault, gap, errors)),
        notes=_distinct(note for run in runs for note in run.notes),
    )


def _failures(runs: Sequence[Outcome]) -> Iterator[str]:
    """Yield what must not happen even once, with the run's number when there are several."""
    for number, run in enumerate(runs, 1):
        for failure in (*run.failures(), *run.noise()):
            yield f"essai {number} : {failure}" if len(runs) > 1 else failure


def _classes(runs: Sequence[Outcome], side: Callable[[Outcome], Entrance]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in runs:
        total.update(side(run).errors)
    return dict(total.most_common())


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
