"""Wheels for Pythons that are not this one's: the project's environment, and Patroni's.

pip fetches and checks each digest against the lock; what is there already is checked again and
kept. No sdist is ever run here: what has no wheel comes from the images' own build.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from citadelle import images
from citadelle.airgap import lock, room
from citadelle.airgap.lock import Pinned
from citadelle.airgap.transport import digest, writing
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, console, table
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home

CACHE = ROOT / "build" / "airgap" / "cache" / "wheels"
FOLDER = ROOT / "dist" / "wheels"
PROJECT = ROOT / "requirements.lock"
# The Pythons of the hosts: RHEL 8 and 9 (3.11, 3.12), RHEL 10 (3.12), Debian 12 (3.11) and 13.
PYTHONS = ("3.11", "3.12", "3.13")
# Patroni without containers: RHEL's Pythons only. The images have their own wheels.
PATRONI_PYTHONS = ("3.11", "3.12")
# The images' own wheels, built by their Python.
IMAGES = "patroni"
# RHEL 8, the oldest of these hosts, has glibc 2.28 (PEP 600).
_GLIBC_MINORS = (28, 27, 26, 24, 17, 12, 5)
# Fifty wheels over a slow line.
_SECONDS = 1800
_ERROR_LINES = 6


@dataclass(frozen=True)
class Set:
    """The wheels of one lock for one Python, and where they go in the bundle."""

    place: str
    python: str
    lock: Path
    listing: str


def sets() -> list[Set]:
    """Return every set of wheels but the images' own."""
    project = [Set(f"py{one}", one, PROJECT, "requirements.lock") for one in PYTHONS]
    patroni = [
        Set(f"patroni-el/py{one}", one, images.LOCK, "requirements.txt") for one in PATRONI_PYTHONS
    ]
    return project + patroni


def run(topology: Topology, home: Home, to: str, steps: Steps) -> Path:
    """Write every set below a folder, ``dist/wheels`` if ``to`` is empty, and return it.

    Raises:
        CitadelleError: no wheel for a Python, no network, disk full.
    """
    folder = Path(to).expanduser().resolve() if to else FOLDER
    images.wheels(topology, home, steps)
    partial = folder.with_name(f"{folder.name}.partial")
    with room.told(folder):
        shutil.rmtree(partial, ignore_errors=True)
        gather(partial, platform.machine(), steps)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return folder


def report(folder: Path) -> None:
    """Print what each set holds, and how to install one."""
    grid = table("Roues", "Dossier", "Roues", "Mo", numbers=("Roues", "Mo"))
    for place in (*(one.place for one in sets()), IMAGES):
        found = list((folder / place).glob("*.whl"))
        grid.add_row(place, str(len(found)), f"{sum(p.stat().st_size for p in found) / 1e6:.1f}")
    console.print(grid)
    console.print(f"Dossier : {folder}. Dans celui d'un Python, son fichier de hachages en main :")
    console.print("  pip install --no-index --find-links . --require-hashes -r requirements.lock")


def gather(folder: Path, machine: str, steps: Steps) -> None:
    """Write every set and the images' wheels (``patroni/``), which must be built, below a folder.

    Raises:
        CitadelleError: no wheel for a Python, no network, disk full.
    """
    for one in sets():
        with steps.step(f"Roues {one.place}"):
            _gather(one, folder / one.place, machine)
    with writing(folder):
        shutil.copytree(images.WHEELS, folder / IMAGES)


def _gather(one: Set, target: Path, machine: str) -> None:
    wanted = lock.read(one.lock, one.python, machine)
    cache = CACHE / machine / one.place
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
        _drop_others(cache, wanted)
        _copy_pure(cache, wanted)
        missing = [pinned for pinned in wanted if _find(cache, pinned) is None]
        if missing:
            _download(missing, cache, one.python, machine)
    with writing(target):
        target.mkdir(parents=True)
        lines = [_deliver(cache, target, pinned) for pinned in wanted]
        (target / one.listing).write_text("".join(lines), encoding="utf-8")


def _deliver(cache: Path, target: Path, pinned: Pinned) -> str:
    wheel = _find(cache, pinned)
    if wheel is None:
        raise CitadelleError(f"{pinned.name} {pinned.version} : roue reçue, mais pas la bonne.")
    shutil.copyfile(wheel, target / wheel.name)
    return f"{pinned.line(digest(wheel, 'sha256'))}\n"


def _find(cache: Path, pinned: Pinned) -> Path | None:
    wheels = (path for path in cache.glob("*.whl") if lock.identity(path)[0] == pinned.name)
    return next((path for path in wheels if _is_ours(path, pinned)), None)


def _is_ours(path: Path, pinned: Pinned) -> bool:
    """Tell whether a wheel is what the lock names, or was built from it for the images."""
    return pinned.is_wheel(path) or _is_same(path, images.WHEELS / path.name)


def _is_same(path: Path, other: Path) -> bool:
    return other.is_file() and digest(path, "sha256") == digest(other, "sha256")


def _drop_others(cache: Path, wanted: Iterable[Pinned]) -> None:
    """Remove wheels of earlier locks, and what an interruption or a bad disk spoilt."""
    kept = {_find(cache, pinned) for pinned in wanted}
    for path in cache.iterdir():
        if path not in kept:
            path.unlink()


def _copy_pure(cache: Path, wanted: Iterable[Pinned]) -> None:
    """Take what was built for the images from an sdist: it runs on any Python 3.

    Their build has checked the sdist's digest against the same lock.
    """
    built = {lock.identity(path): path for path in images.WHEELS.glob("*-none-any.whl")}
    for pinned in wanted:
        path = built.get((pinned.name, pinned.version))
        if path is not None and not pinned.is_wheel(path):
            shutil.copyfile(path, cache / path.name)


def _download(missing: Sequence[Pinned], cache: Path, python: str, machine: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{pinned.line(*pinned.hashes)}\n" for pinned in missing))
        file.flush()
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        argv += ["--only-binary=:all:", "--no-deps", "--require-hashes", f"--dest={cache}"]
        argv += ["--implementation=cp", f"--python-version={python}"]
        argv += [f"--abi={abi}" for abi in (f"cp{python.replace('.', '')}", "abi3", "none")]
        argv += [f"--platform={one}" for one in platforms(machine)]
        try:
            result = subprocess.run(
                [*argv, f"--requirement={file.name}"],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CitadelleError(
                f"pip n'a pas fini en {_SECONDS} s : relancez, ce qui est là est gardé."
            ) from None
    if result.returncode:
        raise _failed(result.stderr, python)


def platforms(machine: str) -> list[str]:
    """Return the wheels' platforms that all of the hosts can load, best first (PEP 600)."""
    names = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC_MINORS]
    legacy = ["manylinux2014", "manylinux2010", "manylinux1"]
    return [*names, *(f"{name}_{machine}" for name in legacy)]


def _failed(said: str, python: str) -> CitadelleError:
    lines = [line for line in said.strip().splitlines() if not line.startswith("WARNING")]
    tail = "\n".join(lines[-_ERROR_LINES:])
    return CitadelleError(
        f"pip n'a pas obtenu les roues de Python {python} (proxy : HTTPS_PROXY, PIP_CERT ; miroir "
        f": PIP_INDEX_URL). Relancez, ce qui est là est gardé.\n{tail}"
    )
