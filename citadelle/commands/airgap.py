"""What a network without Internet needs."""

from __future__ import annotations

from invoke.context import Context
from invoke.tasks import task

from citadelle.airgap import rpms
from citadelle.commands.shared import operator
from citadelle.progress import Steps


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
    with operator():
        request = rpms.requested(el, arch, pg, depots, to)
        rpms.report(request, rpms.run(request, fetch=download, steps=Steps()))
