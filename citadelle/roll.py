"""Every machine restarted or replaced, one after another; pooled clients only wait a moment.

etcd (its leader last), the replicas (the remote first), the primary once a switchover made it
one, the load balancers, the poolers. The cluster is healthy before each machine; the first that
does not come back stops everything, the others untouched.
"""

from __future__ import annotations

from citadelle import (
    compose,
    lifecycle,
    pki,
    placement,
    reload,
    status,
    switchover,
)
from citadelle.errors import CitadelleError
from citadelle.machines import DRAIN_SECONDS, Roll, machine
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console, wait_until
from citadelle.status import Status
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home

# A replica replays what it missed, a container's health has a period of 3 s.
BACK_SECONDS = 240
# What may differ between two `build/compose.env` while old and new machines work together.
ROLLING = ("CONFIG_", "IMAGE_TAG", "ORIGIN")
SECRETS = compose.INTERNAL_SECRETS


def run(
    topology: Topology, home: Home, node: str = "", drain_seconds: float = DRAIN_SECONDS
) -> Roll:
    """Apply what is pending and restart the rest, on one machine or on all.

    Raises:
        CitadelleError: before anything is touched when the cluster is not healthy or the change
            is not one for machines one by one; later, naming what did not come back.
    """
    roll = Roll(topology, home, Steps(), drain_seconds)
    with roll.steps.step("Cluster sain, changements possibles machine par machine"):
        seen = _healthy(topology, home)
        machines = [node] if node else order(seen)
        _refuse_unknown(node)
        _refuse_wide_changes(topology, home)
    lifecycle.install(topology, home, roll.steps)
    lifecycle.install_postgres(topology, home, roll.steps)
    for done, name in enumerate(machines):
        try:
            _one(roll, name)
        except CitadelleError as error:
            untouched = ", ".join(machines[done + 1 :]) or "aucune"
            raise CitadelleError(
                f"{name} : {error}\nArrêt ici ; machines pas touchées : {untouched}."
            ) from None
    with roll.steps.step("Comptes et configuration partagée"):
        lifecycle.settle(topology, home)
        reload.pg_hba(topology)
    placement.keep_apart(topology, home, roll.steps)
    return roll


def order(seen: Status) -> list[str]:
    """Return every machine in the order of a roll, from what the cluster is now."""
    topology = seen.topology
    chief = {m.name: m.leader for m in seen.etcd}
    role = {m.name: m.role for m in seen.members}

    def rank(node: str) -> tuple[bool, bool, bool]:
        # The synchronous standby just before the primary: it is where the primary goes.
        return role[node] == "leader", role[node] == "sync_standby", not topology.is_remote(node)

    return [
        *sorted(ETCD, key=lambda name: chief[name]),
        *sorted(PG, key=rank),
        *HAPROXY,
        *PGBOUNCER,
    ]


def _one(roll: Roll, name: str) -> None:
    _healthy(roll.topology, roll.home)
    if Patroni(roll.topology, roll.home).leader() == name:
        outcome = switchover.run(roll.topology, roll.home, roll.steps)
        roll.notes += [outcome.problem] if outcome.problem else []
        _wait_back(roll, f"{name} devenu réplica")
    machine(roll, name)
    _wait_back(roll, f"{name} de retour, cluster sain")


def _healthy(topology: Topology, home: Home) -> Status:
    seen = status.observe(topology, home)
    if problems := seen.problems():
        raise CitadelleError(f"Cluster pas sain, rien de plus n'est touché : {'; '.join(problems)}")
    return seen


def _wait_back(roll: Roll, title: str) -> None:
    def missing() -> str | None:
        return "; ".join(status.observe(roll.topology, roll.home).problems()) or None

    with roll.steps.step(title):
        wait_until(missing, title, BACK_SECONDS, "Voir « invoke status » et « invoke logs ».")


def _refuse_unknown(node: str) -> None:
    known = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
    if node and node not in known:
        raise CitadelleError(f"Machine inconnue : {node} (connues : {', '.join(known)}).")


def _refuse_wide_changes(topology: Topology, home: Home) -> None:
    """Ports, addresses, authority, secrets: an old and a new machine would not get on."""
    wanted = lifecycle.compose_values(topology, home)
    current = compose.read_env(home.compose_env)
    # A cluster brought up by an earlier version did not remember all of it.
    remembered = compose.remembered(topology, pki.authorities(home)).keys()
    wide = sorted(
        name
        for name in (wanted.keys() | current.keys()) - (remembered - current.keys())
        if wanted.get(name) != current.get(name) and not name.startswith(ROLLING)
    )
    if wide:
        shown = ", ".join("un mot de passe interne" if n == SECRETS else n for n in wide)
        raise CitadelleError(
            f"Pas machine par machine : {shown} change pour tout le cluster à la fois. "
            "« invoke up » l'applique, avec une coupure."
        )


def show(roll: Roll) -> None:
    """Print the total and what clients may have noticed."""
    total = sum(seconds for _, seconds in roll.steps.durations)
    console.print(f"Toutes les machines demandées sont passées, en {total:.0f} s.")
    for note in roll.notes:
        console.print(f"[yellow]![/] {note}")
