"""The verdict on the captures of a whole cluster: one per network, and the table of flows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from citadelle import flows
from citadelle.errors import CitadelleError
from citadelle.flows import FLOWS, Flow
from citadelle.topology import NETWORKS, Topology
from citadelle.wire import packets
from citadelle.wire.judgement import Content, Fault, Judgement, Kind, Place, contents, judge
from citadelle.wire.needles import Needles
from citadelle.wire.neighbours import Neighbour, Neighbourhood
from citadelle.wire.packets import Segment
from citadelle.wire.streams import Ends, Streams
from citadelle.wire.summary import Row, as_row, plain, rows

# All that is wrong with the deliberate clear-text exchange, which the detector must see.
WITNESS_FAULTS = frozenset({Fault.NOT_LISTED, Fault.CLEAR, Fault.CANARY, Fault.PROXY})


@dataclass(frozen=True)
class Result:
    """What the captures show; ``streams`` without the witnesses, which are ``witnesses``.

    ``expected`` are the flows that the scenario had to exercise, ``canaries`` the labels of what
    was searched in every byte.
    """

    cluster: str
    rows: tuple[Row, ...]
    streams: tuple[Judgement, ...]
    witnesses: tuple[Judgement, ...]
    neighbours: tuple[Neighbour, ...]
    expected: tuple[Flow, ...]
    canaries: tuple[str, ...]

    @property
    def witnessed(self) -> dict[str, int]:
        """How many witnesses were found on each network."""
        seen = Counter(found.place.network for found in self.witnesses)
        return {network: seen[network] for network in NETWORKS}

    @property
    def sessions(self) -> Counter[str]:
        """How many TLS streams negotiated each version; none is known of those opened before."""
        return Counter(v.version for v in self.streams if v.kind is Kind.TLS)

    @property
    def idle(self) -> tuple[Flow, ...]:
        """The flows of the table in which no stream carried something both ways, under TLS."""
        used = {v.place.flow for v in self.streams if v.talked}
        return tuple(flow for flow in FLOWS if flow not in used)

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong, one French sentence each; empty when the proof holds."""
        found = [
            f"{network} : le détecteur n'a pas vu son témoin"
            for network, count in self.witnessed.items()
            if not count
        ]
        found += [
            f"{flow.network} : {flow.source} → {flow.target} ({flow.port}) non exercé"
            for flow in self.idle
            if flow in self.expected
        ]
        streams = Counter(
            f"{v.place.network} : {v.place.source.name} → {v.place.target.name}:{v.place.port} : "
            f"{problem.text}"
            for v in self.streams
            for problem in v.problems
        )
        found += [f"{text} ({count} flux)" for text, count in streams.items()]
        found += [
            f"{n.network} : {n.protocol} : {n.problem} ({n.packets} paquets)"
            for n in self.neighbours
            if n.problem
        ]
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Return the result under stable keys; nothing in it is a canary's value."""
        return {
            "cluster": self.cluster,
            "proven": not self.problems,
            "problems": list(self.problems),
            "canaries": list(self.canaries),
            "witnesses": self.witnessed,
            "flows": [row.as_json() | {"expected": row.flow in self.expected} for row in self.rows],
            "streams": [as_row(found) for found in self.streams],
            "witness_streams": [as_row(found) for found in self.witnesses],
            "neighbours": [plain(neighbour) for neighbour in self.neighbours],
        }


def analyse(
    topology: Topology,
    captures: Mapping[str, Path],
    canaries: Mapping[str, bytes],
    witness_port: int,
    expected: Collection[Flow] = FLOWS,
) -> Result:
    """Judge every packet of the captures, one per network.

    ``canaries`` are searched everywhere and shown by their label only; ``witness_port`` is where
    the deliberate clear-text exchange went, on every network; ``expected`` are the flows that
    must have been exercised.

    Raises:
        CitadelleError: when a capture cannot be read whole, a network or a canary is not usable,
            or the witness went to a port of the table.
    """
    if witness_port in flows.ports(topology):
        raise CitadelleError(
            f"Le port {witness_port} du témoin est un port du cluster : prenez-en un autre."
        )
    if unknown := set(captures) - set(NETWORKS):
        raise CitadelleError(f"Réseau inconnu : {', '.join(sorted(unknown))}.")
    needles = Needles(canaries)
    streams: list[Judgement] = []
    neighbours: list[Neighbour] = []
    for network in (name for name in NETWORKS if name in captures):
        found, around = _network(topology, network, captures[network], needles)
        streams += found
        neighbours += around
    witnesses = [v for v in streams if _is_witness(v, witness_port)]
    heard = {(v.place.network, v.place.target_address) for v in witnesses}
    judged = tuple(
        v
        for v in streams
        if not (_is_witness(v, witness_port) or _is_knock(v, witness_port, heard))
    )
    return Result(
        topology.settings.cluster_name,
        rows(topology, judged),
        judged,
        tuple(witnesses),
        tuple(neighbours),
        tuple(flow for flow in FLOWS if flow in expected),
        tuple(canaries),
    )


def _is_witness(judgement: Judgement, port: int) -> bool:
    return judgement.place.port == port and judgement.faults >= WITNESS_FAULTS


def _is_knock(judgement: Judgement, port: int, heard: Collection[tuple[str, str]]) -> bool:
    """Tell an attempt to reach a witness that did not listen yet: nothing was said."""
    place = judgement.place
    silent = not judgement.bytes_up + judgement.bytes_down
    return silent and place.port == port and (place.network, place.target_address) in heard


def _network(
    topology: Topology, network: str, capture: Path, needles: Needles
) -> tuple[list[Judgement], list[Neighbour]]:
    """Judge one capture."""

    @cache
    def place(ends: Ends) -> Place:
        return locate(topology, network, ends)

    def look(ends: Ends, late: bool) -> tuple[Content, Content]:
        flow = place(ends).flow
        return contents(needles, flow is not None and flow.postgres, late)

    streams = Streams(look, flows.ports(topology))
    around = Neighbourhood(topology, network, needles)
    for packet in packets.read(capture):
        if isinstance(packet, Segment):
            streams.feed(packet)
        else:
            around.feed(packet)
    found = [judge(stream, place(stream.ends), needles) for stream in streams.finish()]
    return found, around.rows()


def locate(topology: Topology, network: str, ends: Ends) -> Place:
    """Return who the two ends of a stream are, and the row of the table that allows it."""
    source, target = ip_address(ends.client), ip_address(ends.server)
    client = flows.party(topology, network, source)
    server = flows.party(topology, network, target)
    return Place(
        network,
        client,
        str(source),
        ends.client_port,
        server,
        str(target),
        ends.server_port,
        flows.match(topology, network, client.kind, server.kind, ends.server_port),
        leaves=target not in topology.subnets[network],
    )
