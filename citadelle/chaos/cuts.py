"""Networks cut or slowed inside a node's network namespace, in a table of our own.

Packets are dropped, not refused: nobody is told, as when a cable is cut. The restore deletes the
table.
"""

from __future__ import annotations

from collections.abc import Sequence

from citadelle import namespace
from citadelle.chaos.fault import Field
from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, PG, Topology
from citadelle.wan import line, netem
from citadelle.wan.crossing import MARK
from citadelle.wan.link import Link

TABLE = "inet citadelle_chaos"
CLEAR = namespace.cleared(TABLE)
# Ours: not the class, nor the lines, of `invoke wan`.
CLASS = "c4a:1"
# A link between continents.
SLOW = Link(latency_ms=100, jitter_ms=20)


def isolation(topology: Topology) -> str:
    """Cut a pod from everything but the watcher, who looks at its PostgreSQL from the host.

    He is no part of the cluster: without him nobody could tell whether the pod takes writes.
    """
    watcher, port = topology.gateway_address("pg"), topology.settings.pg_port
    return namespace.table(
        TABLE,
        [f"ip saddr {watcher} tcp dport {port} accept", "drop"],
        [f"ip daddr {watcher} tcp sport {port} accept", "drop"],
    )


def from_etcd(topology: Topology) -> str:
    """Cut a pod from every etcd member, in both directions."""
    return from_nodes(topology, ETCD)


def from_nodes(topology: Topology, nodes: Sequence[str]) -> str:
    """Cut a node from others, in both directions."""
    others = namespace.addresses(topology, nodes)
    return namespace.table(TABLE, [f"ip saddr {others} drop"], [f"ip daddr {others} drop"])


def towards(topology: Topology, node: str) -> str:
    """Drop what leaves for a node; what comes from it still arrives."""
    return namespace.table(TABLE, [], [f"ip daddr {namespace.addresses(topology, (node,))} drop"])


def delayed(topology: Topology, source: str) -> str:
    """Mark what comes from a primary, for the delay line."""
    came = namespace.addresses(topology, (source,))
    return namespace.table(TABLE, [f"ip saddr {came} meta mark set {MARK}"], [])


def classed(topology: Topology, source: str) -> str:
    """Put what leaves for a primary into the class that netem delays."""
    left = namespace.addresses(topology, (source,))
    return namespace.table(TABLE, [], [f"ip daddr {left} meta priority set {CLASS}"])


def apply(field: Field, node: str, text: str) -> None:
    """Put a table into a node's namespace, in one transaction."""
    field.cut.add(node)
    _nft(field, node, CLEAR + text)


def slow(field: Field, node: str, source: str) -> None:
    """Delay what a node sends to a primary or, without netem in the kernel, what it gets of it.

    Either way a commit that waits for the node's answer waits as long.
    """
    field.cut.add(node)
    topology = field.topology
    if netem.available(field.image):
        apply(field, node, classed(topology, source))
        netem.slow(topology, node, field.image, SLOW, CLASS)
        return
    if node in line.nodes(topology, field.home):
        raise CitadelleError(f"« invoke wan » ralentit déjà {node} : « invoke wan --off » d'abord.")
    field.notes.append("noyau sans netem : retard fait par une ligne à retard (NFQUEUE)")
    line.start(topology, field.home, node, SLOW, delayed(topology, source), line.CHAOS)


def heal(field: Field) -> None:
    """Remove our table, our class and our line wherever a cut may have been made."""
    topology, lines = field.topology, line.nodes(field.topology, field.home, line.CHAOS)
    for node in sorted(field.cut):
        if namespace.running(namespace.holder(topology, node)):
            _nft(field, node, CLEAR + (line.CLEARED if node in lines else ""))
            if node in PG:
                netem.restore(topology, node, field.image, CLASS)
    line.remove(topology, field.home, line.CHAOS)


def _nft(field: Field, node: str, text: str) -> None:
    container = namespace.holder(field.topology, node)
    namespace.run(container, field.image, "nft", "--file", "-", stdin=text)
