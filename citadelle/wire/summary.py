"""What was seen of each row of the flow table, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from citadelle.flows import FLOWS, Flow
from citadelle.topology import Topology
from citadelle.wire.judgement import Judgement
from citadelle.wire.neighbours import Neighbour


@dataclass(frozen=True)
class Row:
    """One flow: how many streams of each kind, their bytes, what they negotiated.

    ``number`` is the TCP port; ``late`` counts streams that were open before the capture, whose
    version is unknown; ``talking`` those in which both ends sent application data; ``faulty``
    those with a problem.
    """

    flow: Flow
    number: int
    kinds: dict[str, int]
    size: int
    versions: dict[str, int]
    suites: dict[str, int]
    late: int
    talking: int
    faulty: int

    @property
    def streams(self) -> int:
        """How many streams there were, of whatever kind."""
        return sum(self.kinds.values())

    @property
    def exercised(self) -> bool:
        """Tell whether at least one of them carried something both ways, under TLS."""
        return self.talking > 0

    def as_json(self) -> dict[str, Any]:
        """Return the row under stable keys."""
        return asdict(self) | {"streams": self.streams, "exercised": self.exercised}


def rows(topology: Topology, streams: Iterable[Judgement]) -> tuple[Row, ...]:
    """Return one row per flow of the table, in its order."""
    streams = list(streams)
    return tuple(
        _row(flow, flow.number(topology), [v for v in streams if v.place.flow == flow])
        for flow in FLOWS
    )


def _row(flow: Flow, number: int, streams: list[Judgement]) -> Row:
    return Row(
        flow,
        number,
        _counts(v.kind for v in streams),
        sum(v.bytes_up + v.bytes_down for v in streams),
        _counts(v.version for v in streams),
        _counts(v.suite for v in streams),
        sum(v.opened_before for v in streams),
        sum(v.talked for v in streams),
        sum(bool(v.problems) for v in streams),
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    """Count what is not empty, in alphabetical order."""
    return dict(sorted(Counter(str(value) for value in values if value).items()))


def as_row(judgement: Judgement) -> dict[str, Any]:
    """Return one stream under stable keys."""
    place = judgement.place
    found = asdict(judgement)
    del found["place"]
    return {
        "network": place.network,
        "source": place.source.name,
        "source_kind": place.source.kind,
        "source_address": place.source_address,
        "source_port": place.source_port,
        "target": place.target.name,
        "target_kind": place.target.kind,
        "target_address": place.target_address,
        "port": place.port,
        "flow": place.flow.port if place.flow else None,
        **found,
        "start": datetime.fromtimestamp(judgement.start, UTC).isoformat(timespec="milliseconds"),
    }


def plain(neighbour: Neighbour) -> dict[str, Any]:
    """Return one sort of neighbourhood traffic under stable keys."""
    return asdict(neighbour)
