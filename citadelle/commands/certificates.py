"""Certificates: issue them, list them, check them."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from citadelle import env, pki, show
from citadelle.commands.numbers import Whole
from citadelle.commands.shared import cluster, operator, warn
from citadelle.progress import console
from citadelle.workspace import home


@task
def certs(_c: Context) -> None:
    """Émettre les certificats absents ou bientôt expirés."""
    with operator():
        if env.create(home()):
            console.print(".env créé (mode 0600), secrets tirés au hasard.")
        topology, place = cluster()
        warn(topology)
        issued = pki.ensure(place, topology)
        for certificate in issued:
            console.print(f"  émis  {certificate.file}  ({certificate.reason})")
        console.print(
            f"{len(issued)} certificats émis. Autorité des clients : {place.pki}/server/ca.crt"
        )


@task(name="list")
def certs_list(_c: Context) -> None:
    """Montrer chaque certificat : plan, sujet, noms, usages, fin."""
    with operator():
        topology, place = cluster()
        console.print(show.certificates(pki.rows(place, topology)))


@task(name="check", help={"days": "Signaler ce qui expire dans ce nombre de jours."})
def certs_check(_c: Context, days: int = Whole(15)) -> None:
    """Contrôler chaînes, noms, clés et dates ; code 1 si un défaut."""
    with operator():
        topology, place = cluster()
        found = pki.problems(place, topology, days)
        for problem in found:
            console.print(f"[red]✘[/] {problem}")
        if found:
            raise Exit(f"{len(found)} défauts.", code=1)
        console.print(f"{len(pki.rows(place, topology))} certificats en règle.")
