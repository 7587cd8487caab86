"""`invoke airgap.export`: everything that the other side needs, in one signed folder."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from citadelle import images
from citadelle.airgap import archives, leaks, manifest, minisign, parts, room, source
from citadelle.airgap.manifest import Origin
from citadelle.airgap.minisign import Signer
from citadelle.airgap.parts import PARTS, Making
from citadelle.airgap.transport import digest
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, console, table
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home

DIST = ROOT / "dist"


@dataclass(frozen=True)
class Request:
    """What the operator asks for."""

    topology: Topology
    home: Home
    parts: tuple[str, ...] = tuple(PARTS)
    folder: Path = DIST
    tar: bool = False
    key: Path | None = None


@dataclass(frozen=True)
class Bundle:
    """A finished bundle: where it is, what it holds, how long each part took in seconds."""

    folder: Path
    signer: Signer
    sizes: Mapping[str, Mapping[str, int]]
    seconds: Mapping[str, float] = field(default_factory=dict)


def requested(topology: Topology, home: Home, to: str, only: str, tar: bool, key: str) -> Request:
    """Return what a command line asks for; empty texts are the project's own choice.

    Raises:
        CitadelleError: a part that does not exist.
    """
    wanted = [one.strip() for one in only.split(",") if one.strip()]
    if unknown := sorted(set(wanted) - set(PARTS)):
        raise CitadelleError(f"--only {', '.join(unknown)} : inconnu ; parts : {', '.join(PARTS)}.")
    return Request(
        topology,
        home,
        tuple(part for part in PARTS if part in (wanted or PARTS)),
        Path(to).expanduser().resolve() if to else DIST,
        tar,
        Path(key).expanduser() if key else None,
    )


def run(request: Request, steps: Steps) -> Bundle:
    """Make every part, search them for secrets, sign, and only then give the bundle its name.

    Raises:
        CitadelleError: what, where and what to do next; nothing but ``.partial`` is left.
    """
    parts.require(request.parts)
    origin = _origin()
    source.tools()
    signer = _signer(request)
    making = _prepare(request, origin, steps)
    seconds = {}
    for part, make in ((manifest.TOOLS, parts.tools), *((p, PARTS[p]) for p in request.parts)):
        start = time.monotonic()
        with room.told(making.folder / part):
            make(making)
        seconds[part] = time.monotonic() - start
    _search(request, making, signer)
    with steps.step("Manifeste et signature"), room.told(making.folder):
        sizes = manifest.write(making.folder, origin, signer, request.parts)
        _set_modes(making.folder)
    with steps.step("Mise en place"), room.told(making.folder):
        _publish(making.folder, request, origin)
    return Bundle(request.folder / origin.name, signer, sizes, seconds)


def _origin() -> Origin:
    version, commit = source.version(), source.commit()
    return Origin(f"citadelle-{version}-{platform.machine()}", version, commit, manifest.now())


def _signer(request: Request) -> Signer:
    if request.key is not None:
        return minisign.load(request.key)
    signer, drawn = minisign.own()
    if drawn:
        console.print(
            f"Clé de signature créée : {minisign.KEY} (0600). Sauvegardez-la : une autre clé "
            "obligerait l'autre côté à comparer une nouvelle empreinte."
        )
    return signer


def _prepare(request: Request, origin: Origin, steps: Steps) -> Making:
    """Have images and Patroni's wheels built if a part needs them, and an empty folder."""
    base = ""
    if "images" in request.parts:
        images.build(request.topology, request.home, steps)
    if not {"images", "wheels"}.isdisjoint(request.parts):
        base = images.wheels(request.topology, request.home, steps)
    folder = request.folder / f"{origin.name}.partial"
    making = Making(request.topology, base, platform.machine(), folder, steps)
    # What an interrupted export left would count as taken.
    with room.told(folder):
        shutil.rmtree(folder, ignore_errors=True)
        room.require(parts.needs(making, request.parts, tar=request.tar))
        folder.mkdir(parents=True)
    return making


def _search(request: Request, making: Making, signer: Signer) -> None:
    with making.steps.step("Recherche de secrets"):
        found = leaks.require_none(
            making.folder, leaks.needles(request.topology, request.home, signer)
        )
    console.print(f"    {found.places} fichiers, {found.size / 1e6:.0f} Mo lus : aucun secret")


def _set_modes(folder: Path) -> None:
    """Give every file the mode that the manifest says, whatever this operator's umask."""
    for path in (folder, *folder.rglob("*")):
        executable = path.is_dir() or os.access(path, os.X_OK)
        path.chmod(0o755 if executable else 0o644)


def _publish(partial: Path, request: Request, origin: Origin) -> None:
    """Put the bundle where the last one was; names come last, and on a disk that has all."""
    target = partial.with_suffix("")
    archive, growing = (request.folder / f"{origin.name}.tar{end}" for end in ("", ".partial"))
    if request.tar:
        archives.pack(partial, growing, target.name, int(origin.created.timestamp()))
    os.sync()
    old = partial.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    if request.tar:
        growing.replace(archive)
    else:
        archive.unlink(missing_ok=True)  # of an earlier bundle: the two would differ
    shutil.rmtree(old, ignore_errors=True)


def report(bundle: Bundle, steps: Steps) -> None:
    """Print each part, the fingerprint, and what comes next."""
    grid = table("Parts", "Part", "Fichiers", "Mo", "Secondes", numbers=_NUMBERS)
    for part, size in bundle.sizes.items():
        seconds = bundle.seconds.get(part, 0)
        grid.add_row(part, str(size["files"]), f"{size['bytes'] / 1e6:.1f}", f"{seconds:.1f}")
    files = sum(one["files"] for one in bundle.sizes.values())
    content = sum(one["bytes"] for one in bundle.sizes.values())
    total = sum(seconds for _, seconds in steps.durations)
    grid.add_row("total", str(files), f"{content / 1e6:.1f}", f"{total:.1f}")
    console.print(grid)
    for line in _next(bundle):
        console.print(line, soft_wrap=True)


_NUMBERS = ("Fichiers", "Mo", "Secondes")


def _next(bundle: Bundle) -> Sequence[str]:
    return (
        f"Bundle : {bundle.folder}",
        f"Empreinte de la clé : {bundle.signer.fingerprint}",
        # Run before anything is verified: nothing in the bundle can vouch for them.
        "SHA-256 des deux programmes :",
        *(f"  {digest(bundle.folder / name, 'sha256')}  {name}" for name in source.TOOLS),
        "  à transmettre par un autre chemin que le bundle (voix, papier, messagerie signée).",
        f"De l'autre côté : ./airgap-verify --empreinte {bundle.signer.fingerprint}",
        "                  puis ./airgap-install --vers DOSSIER (docs/airgap.md).",
    )
