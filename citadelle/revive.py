"""What the engine could not restart after the machine did: `invoke start`.

An engine that starts revives its containers all at once. One that lives in another's network (a
pod's PostgreSQL, its gateway, a pooler) fails when it comes first, and is not tried again: a
restart policy is for what has run (moby/moby, issue 50326).
"""

from __future__ import annotations

from citadelle import engine, status
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, console, wait_until
from citadelle.topology import Topology
from citadelle.workspace import Home

# How long a container may take to be healthy, in seconds: PostgreSQL replays its log after a power
# cut (start_period in docker/compose.yaml), on two cores that start all the others.
HEALTHY_SECONDS = 300


def start(topology: Topology, home: Home, steps: Steps) -> list[str]:
    """Start what the engine failed to start; return what does not run because somebody stopped it.

    Nothing is rendered nor delivered. Allowed during a takeover too: the engine is forbidden to
    restart a lost site's containers (`dr/`), so they are not counted.

    Raises:
        CitadelleError: when there is no container at all; naming those that do not start, or are
            not healthy in time. The others run.
    """
    found = status.inspected(topology, home)
    if not found:
        raise CitadelleError("Aucun conteneur à relancer : « invoke up » crée le cluster.")
    left = status.unstarted(found)
    refused = {name: said for name in left if (said := _refusal(topology, name, steps))}
    problems = [f"{name} ne part pas : {said}" for name, said in refused.items()]
    if started := [name for name in left if name not in refused]:
        problems += _unhealthy(topology, home, started, steps)
    if problems:
        raise CitadelleError("\n".join(problems))
    if not left:
        console.print("Rien à relancer : Docker n'a échoué sur aucun conteneur.")
    return status.stopped(status.inspected(topology, home))


def _refusal(topology: Topology, name: str, steps: Steps) -> str:
    """Start one container; return what the engine says against it, or nothing."""
    try:
        with steps.step(f"{name} : démarrage"):
            engine.docker("start", f"{topology.settings.cluster_name}-{name}")
    except CitadelleError as error:
        return str(error)
    return ""


def _unhealthy(topology: Topology, home: Home, names: list[str], steps: Steps) -> list[str]:
    """Wait for the health of some containers; return what is late, in French."""

    def missing() -> str | None:
        seen = status.containers(topology, home)
        late = [f"{name} {seen[name]}" for name in names if seen[name] != "healthy"]
        return ", ".join(late) or None

    try:
        with steps.step("Santé de ce qui repart"):
            wait_until(missing, "Santé", HEALTHY_SECONDS, "Leurs journaux : « invoke logs ».")
    except CitadelleError as error:
        return [str(error)]
    return []
