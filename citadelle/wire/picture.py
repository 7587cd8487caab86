"""Where to draw who talked to whom: one panel per network, roles as boxes, ports as arrows.

Lengths are SVG user units, about one screen pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from citadelle.topology import NETWORKS
from citadelle.wire.judgement import Judgement

WIDTH = 760
BOX_WIDTH = 190
# One arrow's share of its box; a box needs room for its title and its nodes' names.
SLOT = 34
BOX_LEAST = 46
SPACE = 14
# More names than this do not fit in a box.
NAMES_SHOWN = 3
UNKNOWN = "inconnu"


@dataclass(frozen=True)
class Box:
    """One role on one side of a panel, and its nodes that were seen."""

    x: int
    y: int
    height: int
    title: str
    nodes: str


@dataclass(frozen=True)
class Arrow:
    """All streams from one role to a port of another; red when one of them is faulty."""

    x1: int
    y1: int
    x2: int
    y2: int
    label: str
    faulty: bool


@dataclass(frozen=True)
class Panel:
    """One network's drawing."""

    network: str
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


@dataclass(frozen=True)
class _Edge:
    source: str
    target: str
    port: int
    streams: int
    faulty: int


def panels(streams: Iterable[Judgement]) -> tuple[Panel, ...]:
    """Return one panel per network that saw a stream."""
    found = list(streams)
    per_network = ((n, [v for v in found if v.place.network == n]) for n in NETWORKS)
    return tuple(_panel(network, seen) for network, seen in per_network if seen)


def _panel(network: str, streams: Sequence[Judgement]) -> Panel:
    edges = _edges(streams)
    sources = _names(streams, lambda v: (_role(v.place.source.kind), v.place.source.name))
    targets = _names(streams, lambda v: (_role(v.place.target.kind), v.place.target.name))
    left, starts = _column(0, edges, lambda e: e.source, sources)
    right, stops = _column(WIDTH - BOX_WIDTH, edges, lambda e: e.target, targets)
    arrows = tuple(
        Arrow(BOX_WIDTH, starts[e], WIDTH - BOX_WIDTH, stops[e], _label(e), bool(e.faulty))
        for e in edges
    )
    return Panel(network, max(b.y + b.height for b in left + right), left + right, arrows)


def _edges(streams: Sequence[Judgement]) -> list[_Edge]:
    """Return who talked to which port, in alphabetical order."""

    def key(v: Judgement) -> tuple[str, str, int]:
        return _role(v.place.source.kind), _role(v.place.target.kind), v.place.port

    groups = ((k, list(group)) for k, group in groupby(sorted(streams, key=key), key))
    return [_Edge(*k, len(group), sum(bool(v.problems) for v in group)) for k, group in groups]


def _role(kind: str) -> str:
    return kind or UNKNOWN


def _names(
    streams: Iterable[Judgement], end: Callable[[Judgement], tuple[str, str]]
) -> dict[str, str]:
    """Return the names of the nodes that were seen of each role, on one line."""
    seen = sorted(set(map(end, streams)))
    found = {}
    for role, pairs in groupby(seen, lambda pair: pair[0]):
        names = [name for _, name in pairs]
        more = f" + {len(names) - NAMES_SHOWN}" if len(names) > NAMES_SHOWN else ""
        found[role] = ", ".join(names[:NAMES_SHOWN]) + more
    return found


def _column(
    x: int, edges: Sequence[_Edge], role: Callable[[_Edge], str], nodes: dict[str, str]
) -> tuple[tuple[Box, ...], dict[_Edge, int]]:
    """Stack the boxes of one side; return them and the height at which each arrow touches."""
    boxes: list[Box] = []
    touches: dict[_Edge, int] = {}
    y = 0
    for name in sorted(set(map(role, edges))):
        mine = [edge for edge in edges if role(edge) == name]
        height = max(BOX_LEAST, SLOT * len(mine))
        boxes.append(Box(x, y, height, name, nodes[name]))
        share = height // len(mine)
        touches |= {edge: y + share * i + share // 2 for i, edge in enumerate(mine)}
        y += height + SPACE
    return tuple(boxes), touches


def _label(edge: _Edge) -> str:
    faulty = f", dont {edge.faulty} en faute" if edge.faulty else ""
    return f"{edge.port} : {edge.streams} flux{faulty}"
