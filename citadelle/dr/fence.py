"""Making sure that the lost site writes nothing, as far as the engine reaches.

Here one engine runs both sites, so it can stop the lost one's containers and forbid their
restart. Between real sites this is the hypervisor's or a human's work; what holds without anybody
is etcd itself, which turns its former members away (``quorum``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from citadelle import engine, renewal
from citadelle.dr import sight
from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology

# PostgreSQL's shutdown checkpoint has a minute (stop_grace_period in docker/compose.yaml).
STOP_SECONDS = 60
ENGINE_SECONDS = 180
# Who writes first, then who could let it, then the ways to it.
ORDER = (*PG, *ETCD, *HAPROXY, *PGBOUNCER)


def policies(topology: Topology) -> dict[str, str]:
    """Return the restart policy of every container of the lost site that the engine knows."""
    found = {}
    for name in _containers(topology):
        try:
            seen = engine.inspect("container", _full(topology, name))[0]
        except CitadelleError:
            continue
        found[name] = seen["HostConfig"]["RestartPolicy"]["Name"]
    return found


def shut(topology: Topology, known: Iterable[str]) -> list[str]:
    """Stop these containers and forbid their restart; return the machines out of reach."""
    reached = set(known)
    present = [name for name in _containers(topology) if name in reached]
    if present:
        full = [_full(topology, name) for name in present]
        engine.docker("update", "--restart=no", *full, seconds=ENGINE_SECONDS)
        # Who writes first; thawed, a frozen one would go on for the time of a stop.
        gentle = [name for name in _running(full) if name in {_full(topology, n) for n in PG}]
        if gentle:
            engine.docker("stop", f"--time={STOP_SECONDS}", *gentle, seconds=ENGINE_SECONDS)
        if rest := _running(full, paused=True):
            engine.docker("kill", *rest, seconds=ENGINE_SECONDS)
    return sorted({node for node in sight.lost(topology) if node not in reached})


def _running(names: Sequence[str], *, paused: bool = False) -> list[str]:
    """Return those of the containers that run; frozen ones only if asked for."""
    states = ((name, engine.inspect("container", name)[0]["State"]) for name in names)
    return [name for name, state in states if state["Running"] and (paused or not state["Paused"])]


def allow(topology: Topology, kept: dict[str, str], *nodes: str) -> None:
    """Give the containers of some machines their restart policy back."""
    for name in (name for node in nodes for name in renewal.services(node)):
        policy = kept.get(name, "unless-stopped")
        engine.docker("update", f"--restart={policy}", _full(topology, name))


def lift(topology: Topology, kept: dict[str, str], *nodes: str) -> None:
    """Give the containers of some machines their restart policy back, and start them."""
    allow(topology, kept, *nodes)
    for name in (name for node in nodes for name in renewal.services(node)):
        engine.docker("start", _full(topology, name), seconds=ENGINE_SECONDS)


def _containers(topology: Topology) -> list[str]:
    """Return the lost site's containers in the order in which they stop: networks last."""
    nodes = sight.lost(topology, ORDER)
    return [name for node in nodes for name in reversed(renewal.services(node))]


def _full(topology: Topology, name: str) -> str:
    return f"{topology.settings.cluster_name}-{name}"
