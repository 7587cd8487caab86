"""Processor time of the cluster's containers, from the kernel's own accounts.

The files are read on the host: asking inside a container (docker exec) would add to the account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
USEC = re.compile(r"^usage_usec (\d+)$", re.MULTILINE)
# What the table shows, in the order of the path; containers without the cluster's name.
CLIENT, PLAIN = "client", "HAProxy simple"


def components(leader: str) -> dict[str, tuple[str, ...]]:
    """Return which containers make up each component, when this node is the primary."""
    replicas = tuple(node for node in PG if node != leader)
    return {
        CLIENT: ("bench",),
        "PgBouncer": PGBOUNCER,
        "répartiteurs": HAPROXY,
        "passerelle": (f"{leader}-gw",),
        "primaire": (leader,),
        "réplicas": replicas,
        "etcd": ETCD,
    }


def accounts(cluster: str, names: Iterable[str]) -> dict[str, Path]:
    """Return the file that holds each container's account.

    Raises:
        CitadelleError: when the kernel does not show it, with the file that is missing.
    """
    found = engine.inspect("container", *(f"{cluster}-{name}" for name in names))
    if dead := [one["Name"].lstrip("/") for one in found if not one["State"]["Running"]]:
        raise CitadelleError(f"Arrêtés : {', '.join(dead)}. La mesure demande un cluster entier.")
    return {
        container["Name"].removeprefix(f"/{cluster}-"): _account(container["State"]["Pid"])
        for container in found
    }


def _account(pid: int) -> Path:
    path = find((PROC / str(pid) / "cgroup").read_text(), CGROUPS)
    if path is None:
        raise CitadelleError(
            f"Le temps processeur des conteneurs ne se lit pas dans {CGROUPS} (processus {pid}) : "
            "lancez la mesure sur la machine qui porte le moteur."
        )
    return path


def find(groups: str, root: Path) -> Path | None:
    """Return the account of a process from its ``/proc/PID/cgroup``, version 2 or 1."""
    for line in groups.splitlines():
        _, controllers, place = line.split(":", 2)
        inside = place.lstrip("/")
        candidates = [root / inside / "cpu.stat"] if not controllers else []
        if "cpuacct" in controllers.split(","):
            candidates = [root / c / inside / "cpuacct.usage" for c in (controllers, "cpuacct")]
        for candidate in candidates:
            if candidate.is_file() and (candidate.name != "cpu.stat" or _usec(candidate)):
                return candidate
    return None


def _usec(path: Path) -> re.Match[str] | None:
    return USEC.search(path.read_text())


def read(path: Path) -> float:
    """Return the processor time of an account since its container started (µs)."""
    text = path.read_text()
    found = USEC.search(text)
    return float(found[1]) if found else int(text) / 1000


class Meter:
    """The accounts of every component, read before and after a measure."""

    def __init__(self, cluster: str, parts: Mapping[str, tuple[str, ...]]) -> None:
        self.parts = parts
        self.files = accounts(cluster, (name for names in parts.values() for name in names))

    def read(self) -> dict[str, float]:
        """Return the time of each component (µs)."""
        return {
            part: sum(read(self.files[name]) for name in names)
            for part, names in self.parts.items()
        }
