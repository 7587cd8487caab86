"""From .env to a running cluster and back: its life, its state, its changes."""

from __future__ import annotations

import contextlib
import json
import sys
import time

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.live import Live

from citadelle import engine, env, images, lifecycle, pki, revive, settings, show, status
from citadelle import roll as roll_
from citadelle import switchover as switchover_
from citadelle.commands.numbers import Whole
from citadelle.commands.shared import cluster, compose_run, operator, warn
from citadelle.dr import journal
from citadelle.fencer import watch
from citadelle.machines import DRAIN_SECONDS
from citadelle.progress import Steps, console
from citadelle.topology import Topology
from citadelle.workspace import Home, home


@task(name="env")
def env_(_c: Context) -> None:
    """Créer .env, secrets compris, ou y ajouter ce qui manque.

    D'un .env existant, rien n'est changé : les variables d'une version plus récente s'ajoutent
    à la fin, avec les commentaires et les valeurs de .env.example, secrets tirés au hasard.
    """
    with operator():
        if env.create(home()):
            console.print(".env créé (mode 0600), secrets tirés au hasard. Relisez-le.")
        elif added := env.complete(home()):
            console.print(f".env : ajouté à la fin, à relire : {', '.join(added)}.")
        else:
            console.print(".env existe : inchangé.")
        settings.load(home().env_file)


@task
def build(_c: Context) -> None:
    """Construire les images absentes et montrer leur taille."""
    with operator():
        topology, place = cluster()
        engine.require()
        pki.require(place, topology)
        images.build(topology, place, Steps())
        console.print(show.images(images.sizes(topology)))


@task
def up(_c: Context) -> None:
    """Amener le cluster à l'état décrit par .env, prêt à servir."""
    with operator():
        topology, place = cluster()
        warn(topology)
        lifecycle.report(topology, place, lifecycle.up(topology, place))


@task
def start(_c: Context) -> None:
    """Relancer ce que Docker n'a pas su relancer en redémarrant.

    Après un redémarrage de la machine ; rien d'autre ne change, et ce que quelqu'un a arrêté le
    reste : code 1 alors. docs/exploitation.md donne une unité systemd.
    """
    with operator():
        if left := revive.start(*cluster(), Steps()):
            console.print(f"[red]✘[/] Arrêtés, laissés : {', '.join(left)} (« invoke up »).")
            raise Exit("", code=1)


@task
def down(_c: Context) -> None:
    """Arrêter le cluster ; les données restent."""
    with operator(), Steps().step("Arrêt"):
        lifecycle.down(*cluster())


@task(
    help={
        "yes": "Ne pas demander de confirmation.",
        "images": "Supprimer aussi les images du cluster.",
        "ca": "Empreinte de l'autorité du cluster visé, si ses certificats sont perdus.",
    }
)
def destroy(_c: Context, yes: bool = False, images: bool = False, ca: str = "") -> None:
    """Supprimer le cluster ET SES DONNÉES, après confirmation."""
    with operator():
        topology, place = cluster()
        name, authority = topology.settings.cluster_name, ca or pki.fingerprint(place)
        if not yes and input(f"Données de « {name} » perdues. Tapez son nom : ").strip() != name:
            raise Exit("Rien n'a été supprimé.", code=2)
        removed = lifecycle.destroy(name, authority)
        if images:
            removed += lifecycle.remove_images(name, authority)
        journal.forget(place)
        console.print(f"{len(removed)} objets supprimés.")


@task(
    name="status",
    help={
        "json": "Écrire l'état en JSON (interface stable).",
        "watch": "Rafraîchir toutes les deux secondes jusqu'à Ctrl-C.",
    },
)
def status_(_c: Context, json: bool = False, watch: bool = False) -> None:
    """Montrer nœuds, rôles, retards, adresses ; code 1 si malsain."""
    with operator():
        topology, place = cluster()
        if watch:
            _watch(topology, place)
        seen = status.observe(topology, place)
        _print_status(seen, as_json=json)
        if seen.problems():
            raise Exit("", code=1)


def _print_status(seen: status.Status, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(seen.as_json(), ensure_ascii=False, indent=2) + "\n")
        return
    console.print(status.table(seen))
    if seen.fencer.wanted:
        console.print(seen.fencer)
    warn(seen.topology)
    for problem in seen.problems():
        console.print(f"[red]✘[/] {problem}")


def _watch(topology: Topology, place: Home) -> None:
    with contextlib.suppress(KeyboardInterrupt), Live(console=console) as live:
        while True:
            live.update(status.table(status.observe(topology, place)))
            time.sleep(2)


@task(help={"node": "Conteneur (pg1, haproxy1...) ; tous sinon.", "follow": "Suivre (Ctrl-C)."})
def logs(_c: Context, node: str = "", follow: bool = False) -> None:
    """Montrer les journaux d'un conteneur ou de tous."""
    with operator():
        options = ["--follow"] if follow else ["--tail=200"]
        nodes = [node] if node else []
        compose_run("logs", *options, *nodes)


@task(help={"node": "Machine à redémarrer : etcd1, pg2, haproxy1, pgbouncer1..."})
def restart(_c: Context, node: str) -> None:
    """Redémarrer une machine et attendre que le cluster soit sain."""
    with operator(), Steps().step(f"Redémarrage de {node}"):
        lifecycle.restart(*cluster(), node)


@task(
    help={
        "to": "Réplica à promouvoir ; le réplica synchrone sinon.",
        "plan": "Vérifier et dire ce qui se passerait, sans rien changer.",
    }
)
def switchover(_c: Context, to: str = "", plan: bool = False) -> None:
    """Changer de primaire sans une erreur pour les clients.

    PgBouncer fait attendre ses clients le temps de la bascule ; rien ne change si une
    transaction dure plus de 2 s. Exemple : invoke switchover --to pg2
    """
    with operator():
        topology, place = cluster()
        if plan:
            found = switchover_.prepare(topology, place, to)
            console.print(f"Bascule possible : {found.leader} → {found.target}.")
            return
        outcome = switchover_.run(topology, place, Steps(), to)
        switchover_.show(outcome)
        if outcome.problem:
            raise Exit("", code=1)


@task(
    help={
        "node": "Une seule machine (etcd1, pg2, haproxy1...) ; toutes sinon.",
        "drain": "Secondes laissées aux clients pour quitter un PgBouncer.",
    }
)
def roll(_c: Context, node: str = "", drain: int = Whole(DRAIN_SECONDS)) -> None:
    """Mettre à jour machine par machine, sans erreur.

    Applique .env, fichiers et images en attente ; s'arrête à la première machine qui ne
    revient pas, les autres intactes. Exemple : invoke roll --node pgbouncer1
    """
    with operator():
        topology, place = cluster()
        roll_.show(roll_.run(topology, place, node, drain))


@task
def fencer(_c: Context) -> None:
    """Veiller, et abréger le bail d'un primaire mort (Ctrl-C).

    Reste au premier plan ; FENCER=oui dans .env. docs/fencer.md donne une unité systemd.
    """
    with operator():
        watch.run(*cluster())


@task(help={"node": "Conteneur ; tous sinon.", "file": "Un seul fichier, par exemple patroni.yml."})
def render(_c: Context, node: str = "", file: str = "") -> None:
    """Montrer ce qu'un conteneur lira, secrets masqués."""
    with operator():
        topology, place = cluster()
        sys.stdout.write(show.rendered(topology, place, node, file))
