"""`invoke airgap.rpms`: the RPMs that a RHEL-family host needs, their addresses, and themselves."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from citadelle.airgap import download, keys, metadata, offline, repositories, wanted
from citadelle.airgap.keys import Keyring
from citadelle.airgap.repositories import Depots
from citadelle.airgap.solver import Package, Resolution, Sack
from citadelle.airgap.target import Target
from citadelle.airgap.transport import Transport, writing
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, console, table
from citadelle.workspace import ROOT

FOLDER = ROOT / "dist" / "rpms"
# Metadata by digest: what has not changed on the mirror is not fetched again.
CACHE = ROOT / "build" / "airgap" / "metadata"


@dataclass(frozen=True)
class Request:
    """What the operator asks for, and where things are read and written."""

    target: Target
    depots: Path = repositories.FILE
    packages: Path = wanted.FILE
    folder: Path = FOLDER
    cache: Path = CACHE

    @property
    def urls(self) -> Path:
        """The addresses, one per line: ``wget --input-file`` reads them."""
        return self.folder / f"urls-{self.target.name}.txt"

    @property
    def listing(self) -> Path:
        """The same with versions, sizes, digests, repositories and keys."""
        return self.folder / f"urls-{self.target.name}.json"

    @property
    def repository(self) -> Path:
        """Where ``download`` puts packages and their metadata."""
        return self.folder / self.target.name


def requested(el: str, arch: str, pg: str, depots: str = "", to: str = "") -> Request:
    """Return what a command line asks for; empty paths are the project's own.

    Raises:
        CitadelleError: a release, architecture or PostgreSQL version that is not known.
    """
    return Request(
        Target(el, arch, pg),
        depots=Path(depots).expanduser().resolve() if depots else repositories.FILE,
        folder=Path(to).expanduser().resolve() if to else FOLDER,
    )


def run(request: Request, *, fetch: bool, steps: Steps) -> Resolution:
    """Choose the packages, write their lists and, with ``fetch``, make the offline repository.

    Raises:
        CitadelleError: what, where and what to do next.
    """
    depots = repositories.load(request.depots, request.target)
    needs = wanted.load(request.packages, request.target)
    _warn_clear_text(depots)
    with Transport() as transport, tempfile.TemporaryDirectory() as scratch:
        with steps.step(f"Clés et index de {len(depots.repositories)} dépôts"):
            rings = {key.name: keys.load(key, transport, Path(scratch)) for key in depots.signers()}
            by_repository = {
                one.name: rings[one.key.name] for one in depots.repositories if one.key is not None
            }
            cache = request.cache / request.target.name
            found = [
                metadata.fetch(one, by_repository.get(one.name), transport, cache)
                for one in depots.repositories
            ]
            _prune(cache, {path for one in found for path in one.files.values()})
        with steps.step("Choix des paquets (libsolv)"):
            sack = Sack(request.target, found, depots.disabled_modules)
            resolution = sack.resolve(needs)
        _write_lists(request, resolution, {})
        if fetch:
            _fetch(request, resolution, by_repository, transport, steps)
    return resolution


def _fetch(
    request: Request,
    resolution: Resolution,
    rings: Mapping[str, Keyring],
    transport: Transport,
    steps: Steps,
) -> None:
    offline.withdraw(request.repository)
    folder = request.repository / offline.PACKAGES
    signers = download.Download(folder, transport, rings).run(resolution.packages)
    with steps.step("Dépôt hors ligne (createrepo_c)"):
        used = {one.repository.name for one in resolution.packages if one.repository.gpgcheck}
        needed = {rings[name].key.name: rings[name] for name in used}
        try:
            with writing(request.repository):
                offline.publish(request.repository, request.target, resolution, needed.values())
        except CitadelleError:
            offline.withdraw(request.repository)
            raise
    _write_lists(request, resolution, signers)


def _prune(cache: Path, used: Collection[Path]) -> None:
    """Remove the metadata of earlier days: a year of updates would fill gigabytes."""
    for path in cache.iterdir():
        if path not in used:
            path.unlink()


def _warn_clear_text(depots: Depots) -> None:
    for one in depots.repositories:
        if one.url.startswith("http:"):
            console.print(
                f"[yellow]![/] Dépôt {one.name} en http:// : les signatures prouvent l'origine des "
                "paquets, mais un intermédiaire peut en servir d'anciens."
            )


def _write_lists(request: Request, resolution: Resolution, signers: Mapping[str, str]) -> None:
    addresses = [f"{_address(package)}\n" for package in resolution.packages]
    content = {
        "el": request.target.el,
        "arch": request.target.arch,
        "postgresql": request.target.pg,
        "absent": [one.package for one in resolution.absent],
        "packages": [_row(package, signers) for package in resolution.packages],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    with writing(request.urls):
        request.folder.mkdir(parents=True, exist_ok=True)
        request.urls.write_text("".join(addresses), encoding="utf-8")
        request.listing.write_text(text, encoding="utf-8")


def _address(package: Package) -> str:
    return quote(package.remote.url, safe=":/%+~^@!$&'()*,;=")


def _row(package: Package, signers: Mapping[str, str]) -> dict[str, object]:
    """Return a package as JSON; ``key`` are the pinned fingerprints, ``signer`` who did sign."""
    key = package.repository.key if package.repository.gpgcheck else None
    return {
        "name": package.name,
        "evr": package.evr,
        "arch": package.arch,
        "file": package.file,
        "size": package.remote.size,
        "checksum": package.remote.digest,
        "repository": package.repository.name,
        "url": _address(package),
        "key": list(key.fingerprints) if key is not None else [],
        "signer": signers.get(package.file),
    }


def report(request: Request, resolution: Resolution) -> None:
    """Print what was chosen, by repository, and where it lies."""
    grid = table("Paquets", "Dépôt", "Paquets", "Mo", numbers=("Paquets", "Mo"))
    sizes: Counter[str] = Counter()
    counts = Counter(package.repository.name for package in resolution.packages)
    for package in resolution.packages:
        sizes[package.repository.name] += package.remote.size
    for name, count in sorted(counts.items()):
        grid.add_row(name, str(count), f"{sizes[name] / 1e6:.1f}")
    grid.add_row("total", str(counts.total()), f"{sizes.total() / 1e6:.1f}")
    console.print(grid)
    for one in resolution.absent:
        console.print(
            f"[yellow]![/] {one.package} (facultatif, rôle {one.role}) : dans aucun dépôt."
        )
    console.print(f"Adresses : {request.urls}")
    if (request.repository / "repodata").is_dir():
        console.print(f"Dépôt hors ligne : {request.repository} (mode d'emploi dans le .repo)")
