"""The time line as shapes: throughput, errors, latency, marks; drawn by the HTML template."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from citadelle.stress.numbers import count, duration
from citadelle.stress.result import Result, Second

WIDTH, LEFT, RIGHT, HEIGHT = 920, 64, 10, 170
# More columns than this are not seen, on paper or on a screen.
COLUMNS = 800
# Steps that a time axis may have, in seconds; about TICKS of them are shown.
STEPS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
TICKS = 9


@dataclass(frozen=True)
class Tick:
    """A graduation: where, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A measure over time: its class (colour), its name, and its unbroken stretches (points)."""

    css: str
    name: str
    stretches: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """One pair of axes; x in pixels from the left edge, y from the top of the panel."""

    title: str
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Chart:
    """The panels, and what they share: time, marks, the longest gap (x and width)."""

    panels: tuple[Panel, ...]
    time: tuple[Tick, ...]
    marks: tuple[Tick, ...]
    gap: tuple[float, float] | None


@dataclass(frozen=True)
class Column:
    """Some seconds drawn as one: rates are means per second, latencies the worst (ms)."""

    at: float
    answered: float
    errors: float
    p50: float | None
    p99: float | None
    maximum: float | None


def draw(result: Result) -> Chart:
    """Return the chart of a run."""
    columns = list(_columns(result.seconds))
    # A rate over a second that the end of the run cut short would look like an outage.
    whole = [second for second in result.seconds if second.at + 1 <= result.duration_seconds]
    span = max([1.0, result.duration_seconds, *(mark.at for mark in result.marks)])
    x = _scale(span)
    gap = result.longest_gap
    return Chart(
        panels=(_throughput(list(_columns(whole)), x), _errors(columns, x), _latency(columns, x)),
        time=tuple(_time(span, x)),
        marks=tuple(Tick(x(mark.at), str(n)) for n, mark in enumerate(result.marks, 1)),
        gap=(x(gap.at), x(gap.at + gap.seconds) - x(gap.at)) if gap else None,
    )


def _scale(span: float) -> Callable[[float], float]:
    width = WIDTH - LEFT - RIGHT
    return lambda at: round(LEFT + width * min(at, span) / span, 1)


def _columns(seconds: Sequence[Second]) -> Iterator[Column]:
    size = max(1, math.ceil(len(seconds) / COLUMNS))
    for first in range(0, len(seconds), size):
        group = seconds[first : first + size]
        yield Column(
            at=first + len(group) / 2,
            answered=sum(s.answered for s in group) / len(group),
            errors=sum(s.errors for s in group) / len(group),
            p50=_worst(s.p50_ms for s in group),
            p99=_worst(s.p99_ms for s in group),
            maximum=_worst(s.max_ms for s in group),
        )


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _throughput(columns: list[Column], x: Callable[[float], float]) -> Panel:
    top = max([1.0, *(c.answered for c in columns)])
    line = _line("ok", "réussies", [(x(c.at), _linear(c.answered, top)) for c in columns])
    return Panel("Requêtes réussies par seconde", (line,), _round_ticks(top))


def _errors(columns: list[Column], x: Callable[[float], float]) -> Panel:
    top = max([1.0, *(c.errors for c in columns)])
    line = _line("ko", "erreurs", [(x(c.at), _linear(c.errors, top)) for c in columns])
    return Panel("Erreurs vues par l'application, par seconde", (line,), _round_ticks(top))


def _latency(columns: list[Column], x: Callable[[float], float]) -> Panel:
    """Draw on a logarithmic scale, by whole decades: a stall is a thousand usual latencies."""
    seen = [v for c in columns for v in (c.p50, c.p99, c.maximum) if v]
    low = math.floor(math.log10(min(seen, default=1.0)))
    high = max(low + 1, math.ceil(math.log10(max(seen, default=10.0))))

    def y(value: float | None) -> float | None:
        if value is None:
            return None
        exponent = math.log10(max(value, 10.0**low))
        return round(HEIGHT * (high - exponent) / (high - low), 1)

    lines = (
        _line("p50", "p50", [(x(c.at), y(c.p50)) for c in columns]),
        _line("p99", "p99", [(x(c.at), y(c.p99)) for c in columns]),
        _line("max", "maximum", [(x(c.at), y(c.maximum)) for c in columns]),
    )
    decades = [10.0**exponent for exponent in range(low, high + 1)]
    ticks = tuple(Tick(y(value) or 0.0, f"{value:g}".replace(".", ",")) for value in decades)
    return Panel("Latence (ms, échelle logarithmique)", lines, ticks)


def _linear(value: float, top: float) -> float:
    return round(HEIGHT * (1 - value / top), 1)


def _round_ticks(top: float) -> tuple[Tick, ...]:
    values = {0, round(top / 2), round(top)}
    return tuple(Tick(_linear(min(v, top), top), count(v)) for v in sorted(values))


def _line(css: str, name: str, points: list[tuple[float, float | None]]) -> Line:
    """Join the points; where there is none, the line is broken."""
    stretches: list[list[str]] = [[]]
    for x, y in points:
        if y is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{x},{y}")
    return Line(css, name, tuple(" ".join(s) for s in stretches if s))


def _time(span: float, x: Callable[[float], float]) -> Iterator[Tick]:
    step = next((s for s in STEPS if span / s <= TICKS), STEPS[-1])
    for at in range(0, math.floor(span) + 1, step):
        yield Tick(x(at), duration(at))
