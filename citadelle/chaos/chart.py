"""The longest write gap of each fault against its target, as bars drawn by the HTML template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citadelle.chaos.summary import Line
from citadelle.stress.numbers import amount

# Pixels: the whole, the names on the left, room for a figure on the right, one bar.
WIDTH, LEFT, RIGHT, PITCH = 920, 220, 80, 26
# Steps that the axis may have, in seconds; about TICKS of them are shown.
STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120)
TICKS = 8


@dataclass(frozen=True)
class Bar:
    """One fault: its gap as a width, its target as a place; ``css`` says whether it is met."""

    name: str
    y: int
    width: float
    label: str
    target: float | None
    css: str


@dataclass(frozen=True)
class Tick:
    """A graduation of the time axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The bars, the axis, and the height that they take (pixels)."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    height: int


def draw(lines: Sequence[Line]) -> Chart:
    """Return the chart; a fault without any write has no bar."""
    lengths = [value for line in lines for value in (line.gap, line.fault.max_gap_seconds) if value]
    span = max([1.0, *lengths])
    bars = tuple(_bar(line, row * PITCH, span) for row, line in enumerate(lines))
    return Chart(bars, _axis(span), PITCH * len(bars))


def _bar(line: Line, y: int, span: float) -> Bar:
    target = line.fault.max_gap_seconds
    missed = line.gap is None or (target is not None and line.gap > target)
    return Bar(
        name=line.fault.name,
        y=y,
        width=_x(line.gap or 0, span),
        label=amount(line.gap),
        target=None if target is None else _x(target, span),
        css="ko" if missed else "ok" if target is not None else "free",
    )


def _axis(span: float) -> tuple[Tick, ...]:
    step = next((s for s in STEPS if span / s <= TICKS), STEPS[-1])
    return tuple(Tick(_x(n * step, span), f"{n * step:g}") for n in range(int(span / step) + 1))


def _x(seconds: float, span: float) -> float:
    return round((WIDTH - LEFT - RIGHT) * seconds / span, 1)
