"""The cluster's containers as they are now: the engine's description, the kernel's inside."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from citadelle import engine, pki
from citadelle.audit import inside
from citadelle.audit.confinement import Inspect
from citadelle.audit.control import Cluster
from citadelle.audit.inside import Inside
from citadelle.audit.reads import container, once
from citadelle.audit.rights import expected
from citadelle.topology import TOOLS


@once
def inspected(cluster: Cluster) -> dict[str, Inspect]:
    """Return what the engine knows of each container of the cluster, by the topology's name."""
    name = cluster.topology.settings.cluster_name
    names = engine.names("container", cluster=name, ca=pki.fingerprint(cluster.home))
    return named(name, engine.inspect("container", *names))


def named(cluster: str, found: list[Inspect]) -> dict[str, Inspect]:
    """Return the containers by name, and in NetworkMode the name for the identifier."""
    names = {item["Id"]: item["Name"].removeprefix(f"/{cluster}-") for item in found}
    for item in found:
        kind, _, identifier = item["HostConfig"]["NetworkMode"].partition(":")
        if kind == "container":
            item["HostConfig"]["NetworkMode"] = f"container:{names.get(identifier, identifier)}"
    return {names[item["Id"]]: item for item in found}


def operators(found: Inspect) -> bool:
    """Tell whether this is the container of an operator's command that is under way."""
    labels = found["Config"]["Labels"] or {}
    return labels.get("com.docker.compose.service") == TOOLS


@once
def kernel(cluster: Cluster) -> dict[str, Inside]:
    """Return what the kernel says inside each running container."""
    names = [row.name for row in expected(cluster.topology) if row.name in inspected(cluster)]

    def read(name: str) -> Inside:
        return inside.parse(engine.execute(container(cluster, name), "sh", "-c", inside.READ))

    with ThreadPoolExecutor(len(names) or 1) as pool:
        return dict(zip(names, pool.map(read, names), strict=True))
