"""The base image: the one that .env names if it can be had, else one made from Debian packages."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.settings import Settings

SUITE = "trixie"
# A registry that does not answer must not hold the build up.
PULL_SECONDS = 120
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# No documentation but each package's licence, which must go with it wherever images go.
DOCUMENTS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)


def base_image(settings: Settings) -> str:
    """Return the name or identifier of an image to build upon.

    Raises:
        CitadelleError: when there is none, none can be pulled and none can be made here.
    """
    if _present(settings.base_image) or _pulled(settings.base_image):
        return settings.base_image
    lines = sources(settings)
    recipe = hashlib.sha256("\n".join([*lines, *DOCUMENTS]).encode()).hexdigest()[:12]
    image = f"citadelle-base:{SUITE}-{recipe}"
    if not _present(image):
        _make(image, lines)
    return image


def _present(image: str) -> bool:
    try:
        engine.inspect("image", image)
    except CitadelleError:
        return False
    return True


def _pulled(image: str) -> bool:
    try:
        engine.docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    except CitadelleError:
        return False
    return True


def sources(settings: Settings, suite: str = SUITE, options: str = "") -> list[str]:
    """Return the lines of sources.list, on the mirror of .env or the one of this machine.

    ``options`` stands between brackets on each line (sources.list(5)).

    Raises:
        CitadelleError: neither names a mirror of Debian.
    """
    own = _mirrors()
    if settings.debian_mirror:
        base = settings.debian_mirror.rstrip("/")
        security = own.get("Debian-Security", f"{base}-security/")
        own = {"Debian": base, "Debian-Security": security}
    if "Debian" not in own:
        raise CitadelleError(
            f"L'image de base {settings.base_image} est introuvable et aucun miroir Debian n'est "
            "connu ici : renseignez BASE_IMAGE (image chargée) ou DEBIAN_MIRROR dans .env."
        )
    # Where each suite lies on a mirror: the archive itself, its updates, the security archive.
    suites = {"Debian": (suite, f"{suite}-updates"), "Debian-Security": (f"{suite}-security",)}
    return [
        f"deb {options and f'[{options}] '}{own[label]} {name} main"
        for label, names in suites.items()
        if label in own
        for name in names
    ]


def _mirrors() -> dict[str, str]:
    """Return the URI of each Debian archive that this machine's apt already uses."""
    if shutil.which("apt-get") is None:
        return {}
    argv = ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    rows = [line.partition("|") for line in result.stdout.splitlines()]
    return {label: uri for label, _, uri in reversed(rows)}


def _make(image: str, lines: list[str]) -> None:
    maker = shutil.which("mmdebstrap")
    if maker is None:
        raise CitadelleError(
            "mmdebstrap manque pour construire l'image de base : lancez "
            "« scripts/install_local_tools.sh --engine », ou donnez BASE_IMAGE dans .env."
        )
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "base.tar"
        argv = [maker, "--quiet", "--variant=minbase", "--include=ca-certificates"]
        argv += [f"--keyring={KEYRING}", *(f"--dpkgopt={option}" for option in DOCUMENTS)]
        argv += [SUITE, str(archive), "-"]
        result = subprocess.run(
            argv, input="\n".join(lines), capture_output=True, text=True, check=False
        )
        if result.returncode:
            said = "\n".join(result.stderr.strip().splitlines()[-engine.ERROR_LINES :])
            raise CitadelleError(f"mmdebstrap a échoué (miroir joignable ?) : {said}")
        label = f"--change=LABEL fr.citadelle.base={image.partition(':')[2]}"
        engine.docker("import", label, str(archive), image)
