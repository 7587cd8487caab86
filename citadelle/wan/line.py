"""The delay line beside a machine: a side container in its network namespace.

It lives as long as the operator wants it, at most as long as the cluster: `off`, `down` and
`destroy` remove it by its labels. Dead, it lets everything through (``--queue-bypass``): a tool
of the lab that fails must not cut a site. What it held is lost then, as on a line that breaks.
"""

from __future__ import annotations

from citadelle import engine, images, namespace, pki
from citadelle.errors import CitadelleError
from citadelle.progress import wait_until
from citadelle.topology import Topology
from citadelle.wan.crossing import MARK
from citadelle.wan.link import Link
from citadelle.workspace import Home

# iptables and not nft: a kernel may lack nft's own `queue` and have xt_NFQUEUE (the one that this
# was written on). Nothing else of the cluster has rules in this table of the namespace.
CLEARED = namespace.cleared("ip mangle")
QUEUE = (
    *("iptables", "--wait", "--table=mangle", "--append=INPUT", "--match=mark", f"--mark={MARK}"),
    *("--jump=NFQUEUE", "--queue-num=0", "--queue-bypass"),
)
BOUND = "/proc/net/netfilter/nfnetlink_queue"
# Whose line it is: that of `invoke wan`, or a fault's (citadelle/chaos/cuts.py).
WAN, CHAOS = "wan", "chaos"
OWNERS = (WAN, CHAOS)
SUFFIX = "-line"
# Python starts within a second; two slow cores start ten of them at once.
READY_SECONDS = 60
STOP_SECONDS = 60


def name(topology: Topology, node: str) -> str:
    """Return the engine's name of a machine's line."""
    return f"{topology.settings.cluster_name}-{node}{SUFFIX}"


def argv(topology: Topology, home: Home, node: str, link: Link, owner: str = WAN) -> list[str]:
    """Return the command of the engine that starts a line."""
    cluster, ca = topology.settings.cluster_name, pki.fingerprint(home)
    labels = {"cluster": cluster, "ca": ca, "line": owner}
    return [
        *("run", "--detach", f"--name={name(topology, node)}"),
        f"--network=container:{namespace.holder(topology, node)}",
        *namespace.CONFINED,
        # `docker exec` starts threads of its own in here, a dozen of them.
        *("--memory=256m", "--pids-limit=32"),
        *(f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()),
        images.name(topology, "wan"),
        *(f"{v:g}" for v in (link.latency_ms, link.jitter_ms, link.loss_percent)),
        f"{link.rate_bits:.0f}",
    ]


def require(topology: Topology) -> None:
    """Raise CitadelleError when the image is not there yet."""
    if "wan" in images.missing(topology):
        raise CitadelleError("L'image de la ligne à retard manque : lancez « invoke build ».")


def start(
    topology: Topology, home: Home, node: str, link: Link, rules: str, owner: str = WAN
) -> None:
    """Start a machine's line; ``rules`` (nft) mark what it delays, once it is ready."""
    container = name(topology, node)
    engine.docker(*argv(topology, home, node, link, owner), seconds=STOP_SECONDS)

    def unbound() -> str | None:
        return None if engine.execute(container, "cat", BOUND).strip() else "file non tenue"

    wait_until(unbound, f"Ligne de {node}", READY_SECONDS, f"Voir « docker logs {container} ».")
    engine.execute(container, *QUEUE)
    engine.execute(container, "nft", "--file", "-", stdin=rules.encode())


def nodes(topology: Topology, home: Home, owner: str = WAN) -> set[str]:
    """Return the machines that have a line of this owner, alive or dead."""
    return {_node(topology, container) for container in _all(topology, home, owner)}


def running(topology: Topology, home: Home) -> set[str]:
    """Return the machines whose line runs."""
    found = engine.inspect("container", *_all(topology, home, WAN))
    return {_node(topology, c["Name"].lstrip("/")) for c in found if c["State"]["Running"]}


def remove(topology: Topology, home: Home, owner: str = WAN) -> None:
    """Remove every line of this owner, alive or dead."""
    if found := _all(topology, home, owner):
        engine.docker("rm", "--force", *found, seconds=STOP_SECONDS)


def _node(topology: Topology, container: str) -> str:
    return container.removeprefix(f"{topology.settings.cluster_name}-").removesuffix(SUFFIX)


def _all(topology: Topology, home: Home, owner: str) -> list[str]:
    cluster, ca = topology.settings.cluster_name, pki.fingerprint(home)
    return engine.names("container", cluster=cluster, ca=ca, line=owner)
