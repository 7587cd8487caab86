"""What a container wrote down."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from citadelle import engine
from citadelle.progress import wait_until
from citadelle.topology import Topology

# The engine writes a container's line within milliseconds; a busy machine within seconds.
SECONDS = 10.0


def since(topology: Topology, container: str, start: datetime) -> list[str]:
    """Return a container's lines since then; Compose joins both its outputs, Docker does not."""
    cluster = topology.settings.cluster_name
    options = ["--no-color", "--no-log-prefix", "--since", start.isoformat()]
    argv = ["compose", "--project-name", cluster, "logs", *options, container]
    return engine.docker(*argv).splitlines()


def wait(topology: Topology, containers: Iterable[str], start: datetime, *needles: str) -> str:
    """Wait for a line of one of these containers, written since then, that holds all the needles.

    Raises:
        CitadelleError: when there is none.
    """
    names, found = tuple(containers), list[str]()

    def missing() -> str | None:
        lines = (line for name in names for line in since(topology, name, start))
        found.extend(line for line in lines if all(needle in line for needle in needles))
        return None if found else f"pas de ligne avec {needles}"

    wait_until(missing, f"Journal de {', '.join(names)}", SECONDS)
    return found[0]
