"""One machine's containers: replaced when files, image or compose.yaml changed, else restarted."""

from __future__ import annotations

from collections.abc import Sequence

from citadelle import compose, engine
from citadelle.topology import CONTAINERS, GUARDS, HOLDERS, Topology
from citadelle.workspace import Home

# Compose writes it on each container: what the container was made from.
HASH_LABEL = "com.docker.compose.config-hash"
# These hold a network: restarting one would take the network from those that live in it.
NETWORKS = (*HOLDERS, *GUARDS)
# PostgreSQL's shutdown checkpoint has a minute (stop_grace_period in docker/compose.yaml).
STOP_SECONDS = 60
COMPOSE_SECONDS = 300


def services(machine: str) -> tuple[str, ...]:
    """Return a machine's containers in the order in which they start: its network first."""
    holder = [f"{machine}-net"] if f"{machine}-net" in HOLDERS else []
    return (*holder, *(c.name for c in CONTAINERS if c.node == machine))


def renew(topology: Topology, home: Home, names: Sequence[str]) -> None:
    """Replace what changed, restart the rest (networks excepted), touch nothing else."""
    before = _started(topology, names)
    if not _unchanged(topology, home, names):
        argv = ("up", "--detach", "--no-build", "--no-deps", *names)
        engine.docker(*compose.command(home.compose_env, *argv), seconds=COMPOSE_SECONDS)
    after = _started(topology, names)
    left = [name for name in names if after[name] == before[name] and name not in NETWORKS]
    if left:
        containers = [_container(topology, name) for name in left]
        engine.docker("restart", "-t", str(STOP_SECONDS), *containers, seconds=COMPOSE_SECONDS)


def _started(topology: Topology, names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the identity of each container and when it started."""
    found = engine.inspect("container", *(_container(topology, name) for name in names))
    return {
        name: (container["Id"], container["State"]["StartedAt"])
        for name, container in zip(names, found, strict=True)
    }


def _unchanged(topology: Topology, home: Home, names: Sequence[str]) -> bool:
    """Tell whether compose would surely leave them all alone, faster than by asking it to.

    Never of a container that lives in another one's network: compose counts the holder's
    identity, which it does not tell.
    """
    wanted = dict(
        line.split()
        for line in engine.docker(
            *compose.command(home.compose_env, "config", "--hash", ",".join(names))
        ).splitlines()
    )
    found = engine.inspect("container", *(_container(topology, name) for name in names))
    labels = [container["Config"]["Labels"].get(HASH_LABEL) for container in found]
    return labels == [wanted[name] for name in names]


def _container(topology: Topology, name: str) -> str:
    return f"{topology.settings.cluster_name}-{name}"
