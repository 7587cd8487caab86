"""Rules of ours in a machine's network namespace, put there from outside.

A short-lived helper container carries nft and tc into the namespace, so that no component gets a
right for it; a table of our own holds the rules, and goes as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from citadelle import engine
from citadelle.topology import ATTACHED, PG, PGBOUNCER, Topology

LOOPBACK = {"input": 'iif "lo" accept', "output": 'oif "lo" accept'}
HELPER_SECONDS = 60
# What a container needs, and no more, to change the network that it joins.
RIGHTS = ("--user=0", "--read-only", "--cap-drop=ALL", "--cap-add=NET_ADMIN")
CONFINED = (*RIGHTS, "--security-opt=no-new-privileges:true")


def table(name: str, incoming: Sequence[str], outgoing: Sequence[str], comment: str = "") -> str:
    """Return a table that applies these rules to what does not stay on loopback.

    Priority -300 (raw): before any other table, whatever the state of the connection.
    """
    chains = [f'  comment "{comment}"\n'] if comment else []
    for hook, rules in (("input", incoming), ("output", outgoing)):
        start = f"type filter hook {hook} priority -300; policy accept;"
        lines = "\n    ".join((start, LOOPBACK[hook], *rules))
        chains.append(f"  chain {hook} {{\n    {lines}\n  }}\n")
    return f"table {name} {{\n{''.join(chains)}}}\n"


def cleared(name: str) -> str:
    """Return what removes a table, there or not; a new one may follow in the same transaction."""
    return f"table {name} {{}}\ndelete table {name}\n"


def addresses(topology: Topology, nodes: Iterable[str], networks: Iterable[str] = ()) -> str:
    """Return, as a set of nft, the nodes' addresses on these networks (all of them if none)."""
    found = [
        str(topology.address(node, network))
        for node in nodes
        for network in ATTACHED[node.rstrip("0123456789")]
        if not networks or network in networks
    ]
    return f"{{ {', '.join(found)} }}"


def holder(topology: Topology, node: str) -> str:
    """Return the container whose network namespace is the node's, by the engine's name."""
    suffix = "-net" if node in (*PG, *PGBOUNCER) else ""
    return f"{topology.settings.cluster_name}-{node}{suffix}"


def running(container: str) -> bool:
    """Tell whether the namespace exists: that of a dead container is gone, and its rules too."""
    return bool(engine.inspect("container", container)[0]["State"]["Running"])


def image(topology: Topology) -> str:
    """Return the image of the pods' networks (nft, tc), by the digest that runs now."""
    pod = holder(topology, PG[0])
    return str(engine.inspect("container", pod)[0]["Image"])


def run(container: str, image: str, program: str, *argv: str, stdin: str = "") -> str:
    """Run a program of the image in the network namespace of a container; return what it says."""
    options = ["run", "--rm", "--interactive", f"--network=container:{container}", *CONFINED]
    command = (f"--entrypoint={program}", image, *argv)
    return engine.docker(*options, *command, stdin=stdin.encode(), seconds=HELPER_SECONDS)
