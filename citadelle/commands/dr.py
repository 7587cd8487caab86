"""Loss of the preferred datacentre: the remote site takes over, then hands back."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from citadelle.chaos import command as chaos_
from citadelle.chaos.fault import Fault
from citadelle.commands.numbers import Whole
from citadelle.commands.shared import cluster, operator
from citadelle.dr import drills
from citadelle.dr import failback as failback_
from citadelle.dr import plan as plan_
from citadelle.dr import promote as promote_
from citadelle.dr.promote import Ask
from citadelle.progress import Steps, console

YES = "Ne pas demander de confirmation."
RESUME = "la même commande reprend où elle en était"
CONFIRM = "Phrase de confirmation, pour un script ; demandée au clavier sinon."


def _ask(given: str) -> Ask:
    """Return who answers: an option that carries the whole sentence, or the keyboard."""

    def typed(sentence: str) -> str:
        return given or input(f"Tapez « {sentence} » : ")

    return typed


@task(
    help={
        "node": "PostgreSQL à promouvoir ; celui du site distant sinon.",
        "plan": "Regarder et dire ce qui se passerait, sans rien changer.",
        "confirm": CONFIRM,
        "although_alive": "Passer outre un centre préféré qui répond encore.",
    }
)
def promote(
    _c: Context,
    node: str = "",
    plan: bool = False,
    confirm: str = "",
    although_alive: bool = False,
) -> None:
    """Promouvoir le site distant après la perte du centre préféré.

    Montre d'abord ce qui est connu et la perte possible ; refuse si le centre préféré vit.
    Exemple : invoke dr.promote --plan
    """
    with operator(RESUME):
        topology, place = cluster()
        node = node or plan_.only_node(topology)
        if plan:
            found = promote_.prepare(topology, place, node)
            plan_.show(found)
            for reason in (*found.wrong, *found.living):
                console.print(f"[red]✘[/] {reason}")
            if found.wrong or found.living:
                raise Exit("", code=1)
            return
        outcome = promote_.run(
            topology, place, Steps(), node, _ask(confirm), although_alive=although_alive
        )
        promote_.show(outcome)


@task(
    help={
        "confirm": CONFIRM,
        "rebuild": "Recopier un PostgreSQL que Patroni ne peut pas rembobiner.",
    }
)
def failback(_c: Context, confirm: str = "", rebuild: bool = False) -> None:
    """Réintégrer le centre perdu, puis lui rendre le primaire.

    Ses membres etcd sont effacés et reviennent un à un ; ses PostgreSQL sont rembobinés.
    Exemple : invoke dr.failback
    """
    with operator(RESUME):
        topology, place = cluster()
        failback_.show(failback_.run(topology, place, Steps(), _ask(confirm), rebuild=rebuild))


def _drill(fault: Fault, yes: bool, runs: int = 1) -> None:
    """Show the plan of a drill, have it confirmed, play it and tell the outcome."""
    with operator():
        topology, place = cluster()
        drills.show(topology, fault, runs)
        name = topology.settings.cluster_name
        if not yes and input(f"Exercice sur « {name} ». Tapez son nom : ").strip() != name:
            raise Exit("Rien n'a été provoqué.", code=2)
        if not chaos_.play(topology, place, [fault], runs, None):
            raise Exit("L'exercice n'a pas été tenu (voir ci-dessus).", code=1)


@task(name="remote", help={"yes": YES})
def drill_remote(_c: Context, yes: bool = False) -> None:
    """Exercice : perdre le site distant sous charge."""
    _drill(drills.REMOTE, yes)


@task(name="node", help={"yes": YES, "runs": "Nombre d'essais."})
def drill_node(_c: Context, yes: bool = False, runs: int = Whole(1)) -> None:
    """Exercice : perdre le primaire ; l'autre nœud du centre prend le relais.

    Exemple : invoke drill.node --runs 10
    """
    _drill(drills.NODE, yes, runs)


@task(name="link", help={"yes": YES})
def drill_link(_c: Context, yes: bool = False) -> None:
    """Exercice : couper le lien entre les centres sous charge."""
    _drill(drills.LINK, yes)


@task(name="site", help={"yes": YES})
def drill_site(_c: Context, yes: bool = False) -> None:
    """Exercice : perdre le centre préféré, promouvoir le distant, revenir."""
    _drill(drills.SITE, yes)
