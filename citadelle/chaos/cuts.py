"""Networks cut or slowed inside a node's network namespace, in a table of our own.

Packets are dropped, not refused: nobody is told, as when a cable is cut. A short-lived helper
container carries nft and tc into the namespace, so that no component gets a right for it; the
restore deletes the table.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from citadelle import engine
from citadelle.chaos.fault import Field
from citadelle.errors import CitadelleError
from citadelle.topology import ATTACHED, ETCD, PG, PGBOUNCER, Topology

TABLE = "inet citadelle_chaos"
CLEAR = f"table {TABLE} {{}}\ndelete table {TABLE}\n"
LOOPBACK = {"input": 'iif "lo" accept', "output": 'oif "lo" accept'}
# What tc says of a kernel without netem.
NO_NETEM = "qdisc kind is unknown"
# A link between continents; and, where netem is absent, less than the WAL of the load.
DELAY = ("delay", "100ms", "20ms")
POLICER = "limit rate over 64 kbytes/second burst 32 kbytes drop"
HELPER_SECONDS = 60


def table(incoming: Sequence[str], outgoing: Sequence[str]) -> str:
    """Return a table that applies these rules to what does not stay on loopback.

    Priority -300 (raw): before any other table, whatever the state of the connection.
    """
    chains = []
    for hook, rules in (("input", incoming), ("output", outgoing)):
        start = f"type filter hook {hook} priority -300; policy accept;"
        lines = "\n    ".join((start, LOOPBACK[hook], *rules))
        chains.append(f"  chain {hook} {{\n    {lines}\n  }}\n")
    return f"table {TABLE} {{\n{''.join(chains)}}}\n"


def isolation(topology: Topology) -> str:
    """Cut a pod from everything but the watcher, who looks at its PostgreSQL from the host.

    He is no part of the cluster: without him nobody could tell whether the pod takes writes.
    """
    watcher, port = topology.gateway_address("pg"), topology.settings.pg_port
    return table(
        [f"ip saddr {watcher} tcp dport {port} accept", "drop"],
        [f"ip daddr {watcher} tcp sport {port} accept", "drop"],
    )


def from_etcd(topology: Topology) -> str:
    """Cut a pod from every etcd member, in both directions."""
    members = _set(topology, ETCD)
    return table([f"ip saddr {members} drop"], [f"ip daddr {members} drop"])


def towards(topology: Topology, node: str) -> str:
    """Drop what leaves for a node; what comes from it still arrives."""
    return table([], [f"ip daddr {_set(topology, (node,))} drop"])


def thin(topology: Topology, source: str) -> str:
    """Let through only a little of the replication stream that comes from a primary."""
    address, port = topology.address(source, "pg"), topology.settings.pg_port
    return table([f"ip saddr {address} tcp sport {port} {POLICER}"], [])


def _set(topology: Topology, nodes: Sequence[str]) -> str:
    addresses = [
        str(topology.address(node, network))
        for node in nodes
        for network in ATTACHED[node.rstrip("0123456789")]
    ]
    return f"{{ {', '.join(addresses)} }}"


def apply(field: Field, node: str, text: str) -> None:
    """Put a table into a node's namespace, in one transaction."""
    field.cut.add(node)
    _inside(field, node, "nft", "--file", "-", stdin=CLEAR + text)


def slow(field: Field, node: str, source: str) -> None:
    """Delay what a node sends; without netem in the kernel, starve what it gets of the WAL."""
    field.cut.add(node)
    device = _device(field, node)
    try:
        _inside(field, node, "tc", "qdisc", "add", "dev", device, "root", "netem", *DELAY)
    except CitadelleError as error:
        if NO_NETEM not in str(error):
            raise
        field.notes.append("noyau sans netem : débit du WAL bridé au lieu d'un retard")
        apply(field, node, thin(field.topology, source))


def heal(field: Field) -> None:
    """Remove our table and our delay wherever a cut may have been made."""
    for node in sorted(field.cut):
        if _running(field, node):
            _inside(field, node, "nft", "--file", "-", stdin=CLEAR)
            if node in PG:
                _undelay(field, node)


def _undelay(field: Field, node: str) -> None:
    device = _device(field, node)
    if "netem" in _inside(field, node, "tc", "qdisc", "show", "dev", device):
        _inside(field, node, "tc", "qdisc", "del", "dev", device, "root")


def _device(field: Field, node: str) -> str:
    """Return the interface that carries replication."""
    address = str(field.topology.address(node, "pg"))
    found = json.loads(_inside(field, node, "ip", "-json", "-4", "addr", "show", "to", address))
    return str(found[0]["ifname"])


def _holder(field: Field, node: str) -> str:
    """Return the container whose network namespace is the node's."""
    return field.container(f"{node}-net" if node in (*PG, *PGBOUNCER) else node)


def _running(field: Field, node: str) -> bool:
    """Tell whether the namespace exists: that of a dead container is gone, and its rules too."""
    found = engine.inspect("container", _holder(field, node))[0]["State"]["Running"]
    return bool(found)


def _inside(field: Field, node: str, program: str, *argv: str, stdin: str = "") -> str:
    options = ["run", "--rm", "--interactive", f"--network=container:{_holder(field, node)}"]
    options += ["--user=0", "--read-only", "--cap-drop=ALL", "--cap-add=NET_ADMIN"]
    options += ["--security-opt=no-new-privileges:true", f"--entrypoint={program}"]
    return engine.docker(*options, field.image, *argv, stdin=stdin.encode(), seconds=HELPER_SECONDS)
