"""A slow, lossy or cut line between the sites of the lab, and its end.

Nothing is remembered outside: each machine's namespace holds a table of ours whose comment says
what is in place, and loses it with the machine. Slow lines work at both ends, each on one
direction; a cut at one end cuts both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from citadelle import engine, namespace, pki
from citadelle.errors import CitadelleError
from citadelle.topology import Topology
from citadelle.wan import crossing, line, netem
from citadelle.wan.crossing import CLASS, TABLE, Crossing
from citadelle.wan.link import Link
from citadelle.wan.state import LINE, NETEM, Placed, State
from citadelle.workspace import Home

T = TypeVar("T")
R = TypeVar("R")
# Two slow cores: more containers at once only wait for each other.
AT_ONCE = 4
CLEARED = namespace.cleared(TABLE)


def cut(topology: Topology, home: Home, site: str = "") -> Placed:
    """Drop everything between a site (by default each but the preferred) and the others.

    Replaces whatever was in place. Machines that do not run are left out.

    Raises:
        CitadelleError: for an unknown site, or when none of its machines runs.
    """
    ends = crossing.ends(topology, crossing.sites(topology, site))
    alive = _running(topology, home)
    crossings = _present(topology, alive, ends)
    image = namespace.image(topology)
    before = _read(topology, image, alive)
    placed = Placed("cut", site)

    def drop(found: Crossing) -> None:
        # One transaction: no packet passes between an old table and this one.
        _nft(topology, image, found.node, CLEARED + crossing.cut(topology, found, str(placed)))

    _each(drop, crossings)
    _undo(topology, home, image, before, keep={found.node for found in crossings})
    return placed


def slow(topology: Topology, home: Home, link: Link, site: str = "") -> Placed:
    """Slow down each direction between a site (default: each but the preferred) and the others.

    Replaces whatever was in place. By netem where the kernel has it, by delay lines elsewhere:
    the result says which. Machines that do not run are left out.

    Raises:
        CitadelleError: for an unknown site, when no machine runs, or for want of an image.
    """
    ends = crossing.both_ends(topology, crossing.sites(topology, site))
    alive = _running(topology, home)
    crossings = _present(topology, alive, ends)
    image = namespace.image(topology)
    kernel = netem.available(image)
    if not kernel:
        line.require(topology)
    placed = Placed(NETEM if kernel else LINE, site, str(link))
    _undo(topology, home, image, _read(topology, image, alive))

    def delay(found: Crossing) -> None:
        if kernel:
            _nft(topology, image, found.node, crossing.classed(topology, found, str(placed)))
            netem.slow(topology, found.node, image, link, CLASS)
        else:
            rules = crossing.marked(topology, found, str(placed))
            line.start(topology, home, found.node, link, rules)

    _each(delay, crossings)
    return placed


def off(topology: Topology, home: Home) -> list[str]:
    """Remove all of it, whatever is left of it; return the machines where something was."""
    alive = _running(topology, home)
    image = namespace.image(topology) if alive else ""
    return _undo(topology, home, image, _read(topology, image, alive))


def observe(topology: Topology, home: Home) -> State:
    """Return what each machine that runs has in place, and which delay lines are dead."""
    alive = _running(topology, home)
    seen = _read(topology, namespace.image(topology), alive) if alive else {}
    return State(topology, seen, frozenset(line.running(topology, home)))


def _read(topology: Topology, image: str, nodes: Iterable[str]) -> dict[str, Placed | None]:
    def read(node: str) -> Placed | None:
        container = namespace.holder(topology, node)
        return Placed.read(namespace.run(container, image, "nft", "list", "ruleset", "inet"))

    wanted = sorted(nodes)
    return dict(zip(wanted, _each(read, wanted), strict=True))


def _undo(
    topology: Topology,
    home: Home,
    image: str,
    before: Mapping[str, Placed | None],
    keep: Collection[str] = (),
) -> list[str]:
    """Restore these machines, the tables of ``keep`` excepted; return where there was something.

    A line whose table is not there was interrupted while it was put in place.
    """
    lines = line.nodes(topology, home)
    found = [node for node, placed in before.items() if placed or node in lines]

    def restore(node: str) -> None:
        placed = before[node]
        if placed and placed.tool == NETEM:
            netem.restore(topology, node, image, CLASS)
        _nft(topology, image, node, line.CLEARED + ("" if node in keep else CLEARED))

    _each(restore, found)
    line.remove(topology, home)
    return sorted({*found, *lines})


def _running(topology: Topology, home: Home) -> set[str]:
    """Return the machines that have a namespace now."""
    cluster, ca = topology.settings.cluster_name, pki.fingerprint(home)
    found = engine.inspect("container", *engine.names("container", cluster=cluster, ca=ca))
    names = {c["Name"].lstrip("/") for c in found if c["State"]["Running"]}
    return {node for node in crossing.MACHINES if namespace.holder(topology, node) in names}


def _present(topology: Topology, alive: set[str], wanted: list[Crossing]) -> list[Crossing]:
    found = [crossing for crossing in wanted if crossing.node in alive]
    if not found:
        raise CitadelleError(
            f"Aucune machine de « {topology.settings.cluster_name} » en marche au bout du lien : "
            "lancez « invoke up »."
        )
    return found


def _nft(topology: Topology, image: str, node: str, text: str) -> None:
    container = namespace.holder(topology, node)
    namespace.run(container, image, "nft", "--file", "-", stdin=text)


def _each(action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do it for all, a few at once; the first failure is raised once all have ended."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(action, items))
