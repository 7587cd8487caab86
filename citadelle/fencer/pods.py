"""The PostgreSQL containers as the engine, then the kernel, sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.topology import PG, Topology

PROC = Path("/proc")
ENGINE_SECONDS = 10.0


@dataclass(frozen=True)
class Pod:
    """One container at one moment; ``finished`` names its last end, as the engine wrote it."""

    node: str
    container: str
    identity: str
    running: bool
    restarting: bool
    paused: bool
    pid: int
    started: datetime
    finished: str

    @property
    def dead(self) -> bool:
        """Tell whether the engine says that it ended, and that it will not start it again."""
        return not self.running and not self.restarting and self.pid == 0

    @property
    def ended(self) -> bool:
        """Tell whether its processes are gone, whatever comes next."""
        return self.restarting or not self.running

    @property
    def serving(self) -> bool:
        """Tell whether a command can be run in it."""
        return self.running and not self.restarting and not self.paused


def look(topology: Topology, ca: str) -> dict[str, Pod]:
    """Return the PostgreSQL containers of this very cluster by node.

    Raises:
        CitadelleError: when the engine does not answer.
    """
    cluster = topology.settings.cluster_name
    wanted = {f"{cluster}-{node}": node for node in PG}
    argv = ["container", "ls", "--all", "--quiet", "--no-trunc"]
    argv += [
        f"--filter=label=fr.citadelle.cluster={cluster}",
        f"--filter=label=fr.citadelle.ca={ca}",
    ]
    argv += [f"--filter=name=^/{name}$" for name in wanted]
    identities = engine.docker(*argv, seconds=ENGINE_SECONDS).split()
    rows = engine.inspect("container", *identities, seconds=ENGINE_SECONDS)
    return {pod.node: pod for pod in (_pod(row, wanted) for row in rows)}


def _pod(row: dict[str, Any], nodes: dict[str, str]) -> Pod:
    state, name = row["State"], row["Name"].removeprefix("/")
    return Pod(
        node=nodes[name],
        container=name,
        identity=row["Id"],
        running=state["Running"],
        restarting=state["Restarting"],
        paused=state["Paused"],
        pid=state["Pid"],
        started=_moment(state["StartedAt"]),
        finished=state["FinishedAt"],
    )


def _moment(text: str) -> datetime:
    """Read the engine's RFC 3339 times, which have nanoseconds or none."""
    return datetime.fromisoformat(text)


def kill(pod: Pod) -> None:
    """SIGKILL to this very container, which the engine then leaves dead (moby, ExitOnNext).

    One that ended meanwhile is no failure: what counts is how it looks afterwards.
    """
    try:
        engine.docker("kill", pod.identity, seconds=ENGINE_SECONDS)
    except CitadelleError as error:
        if "is not running" not in str(error):
            raise


def start(pod: Pod) -> None:
    """Start this very container again."""
    engine.docker("start", pod.identity, seconds=ENGINE_SECONDS)


def processes(pod: Pod) -> list[int]:
    """Return the processes of this machine that live in the container's control groups.

    The kernel's word, which does not depend on what the engine believes (cgroups(7)).
    """
    found = []
    for place in PROC.glob("[0-9]*/cgroup"):
        try:
            inside = pod.identity in place.read_text()
        except OSError:  # ended meanwhile
            continue
        if inside:
            found.append(int(place.parent.name))
    return found
