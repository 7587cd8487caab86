"""Whole captures of a small, correct cluster, to which a test adds what should not be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from citadelle.flows import FLOWS, Flow
from citadelle.topology import NETWORKS
from citadelle.wire.judgement import Fault, Judgement
from citadelle.wire.needles import PROXY_V2
from citadelle.wire.verdict import Result, analyse
from tests.unit import factory, pcaps
from tests.unit.pcaps import EPHEMERAL, Talk

CLUSTER = factory.topology()
CANARY = b"valeur-secrete-du-canari"
CANARIES = {"le canari": CANARY}
WITNESS_PORT = 9999
# Two nodes of each kind suffice: a node does not talk to itself.
FIRST = {"client": "machine", "tools": "machine"}


def talk(network: str, source: str, target: str, port: str | int, client_port: int = 0) -> Talk:
    """Return a connection between two nodes, to a port or the port of a variable."""
    number = port if isinstance(port, int) else getattr(CLUSTER.settings, port.lower())
    client, server = (pcaps.address(CLUSTER, node, network) for node in (source, target))
    return Talk(client, server, number, client_port or EPHEMERAL)


def exercise(flow: Flow, client_port: int = EPHEMERAL + 1) -> list[bytes]:
    """Return one correct stream of a row of the table."""
    source = FIRST.get(flow.source, f"{flow.source}1")
    t = talk(flow.network, source, f"{flow.target}2", flow.port, client_port)
    return (t.postgres() if flow.postgres else t.tls()).close().frames


def witness(network: str) -> list[bytes]:
    """Return the deliberate clear-text exchange on a network."""
    server = pcaps.neighbour(CLUSTER, network, 200)
    t = Talk(pcaps.address(CLUSTER, "machine", network), server, WITNESS_PORT)
    return t.open().up(PROXY_V2 + CANARY).down(PROXY_V2 + CANARY).close().frames


def correct(flows: Sequence[Flow] = FLOWS) -> dict[str, list[bytes]]:
    """Return, per network, a stream of each flow and the witness."""
    return {
        network: [f for flow in flows if flow.network == network for f in exercise(flow)]
        + witness(network)
        for network in NETWORKS
    }


def judged(
    directory: Path,
    more: Mapping[str, list[bytes]] | None = None,
    frames: Mapping[str, list[bytes]] | None = None,
    expected: Sequence[Flow] = FLOWS,
) -> Result:
    """Return the verdict on these frames, by default a correct cluster's, and some more."""
    base = correct() if frames is None else frames
    paths = {
        network: pcaps.write(
            directory / f"{network}.pcap", base[network] + list((more or {}).get(network, []))
        )
        for network in base
    }
    return analyse(CLUSTER, paths, CANARIES, WITNESS_PORT, expected)


def last(result: Result, network: str) -> Judgement:
    """Return the judgement on the last stream of a network."""
    return [v for v in result.streams if v.place.network == network][-1]


def faults(directory: Path, network: str, t: Talk) -> frozenset[Fault]:
    """Return what is wrong with one stream that is added to a correct cluster's."""
    return last(judged(directory, {network: t.frames}), network).faults
