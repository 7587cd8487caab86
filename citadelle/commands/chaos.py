"""Faults on purpose, under load, and how to undo them."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from citadelle.chaos import command as chaos_
from citadelle.chaos import report as chaos_report
from citadelle.commands.numbers import Number, Whole
from citadelle.commands.shared import cluster, operator
from citadelle.fencer import watch
from citadelle.progress import console


@task(name="list")
def chaos_list(_c: Context) -> None:
    """Montrer les pannes que l'on sait provoquer."""
    console.print(chaos_report.catalogue())


@task(
    name="run",
    help={
        "fault": "Pannes, séparées par des virgules ; le jeu court sinon.",
        "all": "Toutes les pannes.",
        "runs": "Nombre d'essais de chacune (médianes au-delà d'un).",
        "duration": "Durée de chaque panne, en secondes ; la sienne sinon.",
        "fencer": "Avec un fencer (FENCER=oui), jugé à ses propres cibles.",
        "yes": "Ne pas demander de confirmation.",
    },
)
def chaos_run(  # the command's options
    _c: Context,
    fault: str = "",
    all: bool = False,  # noqa: A002  # the option's name
    runs: int = Whole(1),
    duration: float = Number(0.0),
    fencer: bool = False,
    yes: bool = False,
) -> None:
    """Provoquer des pannes sous charge et dire ce qui a tenu.

    Interrompt le service du cluster. Exemple : invoke chaos.run --fault postgres-tue --runs 5
    """
    with operator():
        faults = chaos_.chosen(fault, everything=all)
        topology, place = cluster()
        if fencer:
            watch.require(topology)
        name = topology.settings.cluster_name
        asked = f"{len(faults)} pannes sur « {name} ». Tapez son nom : "
        if not yes and input(asked).strip() != name:
            raise Exit("Rien n'a été provoqué.", code=2)
        if not chaos_.play(topology, place, faults, runs, duration or None, fenced=fencer):
            raise Exit("Une panne n'a pas été tenue (voir ci-dessus).", code=1)


@task(name="restore")
def chaos_restore(_c: Context) -> None:
    """Défaire toute panne provoquée, après un arrêt brutal."""
    with operator():
        if not chaos_.restore(*cluster()):
            raise Exit("Tout n'a pas pu être défait (voir ci-dessus).", code=1)
