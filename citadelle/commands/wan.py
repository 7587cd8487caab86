"""The line between the sites of the lab."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from citadelle import engine
from citadelle.commands.shared import cluster, operator
from citadelle.wan import command


@task(
    name="wan",
    help={
        "latency": "Retard de chaque paquet, dans chaque sens : 40ms.",
        "jitter": "Ce que le retard varie, en plus ou en moins : 10ms.",
        "loss": "Part des paquets perdus, dans chaque sens : 1%.",
        "rate": "Débit de chaque machine vers l'autre centre : 100mbit.",
        "cut": "Couper : tout est jeté, sans un mot.",
        "off": "Tout rétablir.",
        "site": "Le centre à éloigner ; tous sauf le préféré sinon.",
    },
)
def wan(
    _c: Context,
    latency: str = "",
    jitter: str = "",
    loss: str = "",
    rate: str = "",
    cut: bool = False,
    off: bool = False,
    site: str = "",
) -> None:
    """Ralentir ou couper le lien entre les centres du laboratoire.

    Sans option, dit ce qui est en place. Le retard vaut dans chaque sens : 40 ms en ajoutent 80
    à un aller-retour. Exemple : invoke wan --latency 40ms --jitter 10ms --loss 1% --rate 100mbit
    """
    with operator():
        wanted = command.wanted(latency, jitter, loss, rate, cut=cut, off=off, site=site)
        topology, place = cluster()
        engine.require()
        command.run(topology, place, wanted, site)
