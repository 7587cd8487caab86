"""What a network without Internet needs."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from citadelle import engine, pki
from citadelle.airgap import export, rpms, wheels
from citadelle.commands.shared import cluster, operator
from citadelle.progress import Steps

RESUME = "relancez la même commande, qui reprend où elle en était"


@task(
    name="rpms",
    help={
        "el": "Version majeure de la famille RHEL : 8, 9 ou 10.",
        "arch": "x86_64 ou aarch64.",
        "pg": "Version majeure de PostgreSQL.",
        "download": "Télécharger, vérifier, et faire un dépôt pour dnf.",
        "depots": "Autre fichier de dépôts que config/airgap/depots.yml.",
        "to": "Dossier où écrire, à la place de dist/rpms.",
    },
)
def airgap_rpms(
    _c: Context,
    el: str = "9",
    arch: str = "x86_64",
    pg: str = "17",
    download: bool = False,
    depots: str = "",
    to: str = "",
) -> None:
    """Choisir et prendre les RPM d'une machine RHEL."""
    with operator(RESUME):
        request = rpms.requested(el, arch, pg, depots, to)
        rpms.report(request, rpms.run(request, fetch=download, steps=Steps()))


@task(name="wheels", help={"to": "Dossier où écrire, à la place de dist/wheels."})
def airgap_wheels(_c: Context, to: str = "") -> None:
    """Prendre les roues Python des machines sans Internet."""
    with operator(RESUME):
        topology, place = cluster()
        engine.require()
        pki.require(place, topology)
        wheels.report(wheels.run(topology, place, to, Steps()))


@task(
    name="export",
    help={
        "to": "Dossier où écrire le bundle, à la place de dist.",
        "only": "Parts à mettre : repository,wheels,images,debian,rpms,sbom.",
        "tar": "Écrire aussi le bundle en un seul fichier .tar.",
        "key": "Clé de signature (Ed25519, PEM), à la place de build/airgap/citadelle.key.",
    },
)
def airgap_export(
    _c: Context, to: str = "", only: str = "", tar: bool = False, key: str = ""
) -> None:
    """Faire le bundle signé qui part sur la machine sans Internet."""
    with operator(RESUME):
        topology, place = cluster()
        engine.require()
        pki.require(place, topology)
        steps = Steps()
        request = export.requested(topology, place, to, only, tar, key)
        export.report(export.run(request, steps), steps)
