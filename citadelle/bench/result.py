"""From measures to medians: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One workload on one path, once.

    ``rate`` is in the workload's unit; ``latency_ms`` is None where there is none (a copy);
    ``cpu`` is processor time by component (µs) per transaction, connection or MB.
    """

    workload: str
    path: str
    round: int
    rate: float
    latency_ms: float | None
    cpu: dict[str, float]


@dataclass(frozen=True)
class Row:
    """The medians of one workload on one path; ``ratio`` is to the reference, round by round."""

    workload: str
    unit: str
    path: str
    rate: float
    latency_ms: float | None
    ratio: float
    lowest: float
    highest: float
    cpu: dict[str, float]

    @property
    def total(self) -> float:
        """The processor time of all components together (µs)."""
        return sum(self.cpu.values())


def rows(measures: Sequence[Measure], units: dict[str, str]) -> list[Row]:
    """Return the medians, in the order in which the measures came.

    The first path of a workload is its reference. A ratio compares two measures of one round,
    seconds apart: the machine's drift over the run does not enter it.
    """
    keys = list(dict.fromkeys((m.workload, m.path) for m in measures))
    return [_row(measures, workload, units[workload], path) for workload, path in keys]


def _row(measures: Sequence[Measure], workload: str, unit: str, path: str) -> Row:
    of_workload = [m for m in measures if m.workload == workload]
    reference = {m.round: m.rate for m in of_workload if m.path == of_workload[0].path}
    mine = [m for m in of_workload if m.path == path]
    ratios = [m.rate / reference[m.round] for m in mine]
    latencies = [m.latency_ms for m in mine if m.latency_ms is not None]
    return Row(
        workload,
        unit,
        path,
        rate=median(m.rate for m in mine),
        latency_ms=median(latencies) if latencies else None,
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        cpu={part: median(m.cpu[part] for m in mine) for part in mine[0].cpu},
    )


def as_json(found: Sequence[Row], measures: Sequence[Measure]) -> dict[str, Any]:
    """Return the medians, and every measure behind them."""
    return {
        "medians": [asdict(row) for row in found],
        "measures": [asdict(measure) for measure in measures],
    }
