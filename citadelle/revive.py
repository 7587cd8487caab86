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

# A container that starts, and its first health checks, on two cores that start all the others.
HEALTHY_SECONDS = 120


def start(topology: Topology, home: Home, steps: Steps) -> None:
    """Start what the engine failed to start, and nothing that somebody stopped.

    Nothing is rendered nor delivered: what ran before runs again. Allowed during a takeover too,
    for the restart of a lost site's containers is forbidden to the engine (`dr/`), so to this.

    Raises:
        CitadelleError: when there is no container at all; naming those that do not start, or are
            not healthy in time. The others run.
    """
    found = status.inspected(topology, home)
    if not found:
        raise CitadelleError("Aucun conteneur à relancer : « invoke up » crée le cluster.")
    left = status.unstarted(found)
    stopped = [name for name, state in status.health(found).items() if state == "exited"]
    if alone := [name for name in stopped if name not in left]:
        console.print(f"Arrêtés par quelqu'un, laissés : {', '.join(alone)}.")
    if not left:
        console.print("Rien à relancer : Docker n'a échoué sur aucun conteneur.")
        return
    refused = {name: said for name in left if (said := _refusal(topology, name, steps))}
    with steps.step("Santé de ce qui repart"):
        _wait_healthy(topology, home, {*left} - {*refused})
    if refused:
        raise CitadelleError("\n".join(f"{name} ne part pas : {refused[name]}" for name in refused))


def _refusal(topology: Topology, name: str, steps: Steps) -> str:
    """Start one container; return what the engine says against it, or nothing."""
    try:
        with steps.step(f"{name} : démarrage"):
            engine.docker("start", f"{topology.settings.cluster_name}-{name}")
    except CitadelleError as error:
        return str(error)
    return ""


def _wait_healthy(topology: Topology, home: Home, names: set[str]) -> None:
    def missing() -> str | None:
        seen = status.containers(topology, home)
        late = [f"{name} {seen[name]}" for name in sorted(names) if seen[name] != "healthy"]
        return ", ".join(late) or None

    wait_until(missing, "Conteneurs sains", HEALTHY_SECONDS, "Voir « invoke logs --node … ».")
