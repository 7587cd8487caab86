"""Fetching the packages: in parallel, each one proven before it counts as there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from citadelle.airgap import rpmfile
from citadelle.airgap.keys import Keyring
from citadelle.airgap.solver import Package
from citadelle.airgap.transport import StoppedError, Transport
from citadelle.errors import CitadelleError
from citadelle.progress import console

# Enough to fill a line to one mirror; public mirrors dislike more from one address.
WORKERS = 4
# Room for the repository's own metadata and file system overhead, in bytes.
MARGIN = 16 * 1024 * 1024


@dataclass
class Download:
    """The packages of one target on their way into ``folder``."""

    folder: Path
    transport: Transport
    keyrings: Mapping[str, Keyring]
    signers: dict[str, str] = field(default_factory=dict)
    _stop: Event = field(default_factory=Event)

    def run(self, packages: Sequence[Package]) -> dict[str, str]:
        """Bring what is not there yet; return the fingerprint that signed each file.

        Raises:
            CitadelleError: no room, unreachable, altered, unsigned or signed by another key.
        """
        self._remove_others(packages)
        self._require_room(packages)
        with _progress() as progress, ThreadPoolExecutor(WORKERS) as pool:
            total = sum(package.remote.size for package in packages)
            task = progress.add_task("Paquets", total=total)
            there = dict.fromkeys((package.file for package in packages), 0)

            def seen(file: str, size: int) -> None:
                there[file] = size
                progress.update(task, completed=sum(there.values()))

            jobs = [pool.submit(self._one, package, seen) for package in packages]
            try:
                self._wait(jobs)
            finally:
                self._stop.set()
        return self.signers

    def _wait(self, jobs: Sequence[Future[None]]) -> None:
        """Stop all at the first failure: what is missing is fetched by the next call."""
        for job in as_completed(jobs):
            error = job.exception()
            if error is not None and not isinstance(error, StoppedError):
                self._stop.set()
                raise error

    def _one(self, package: Package, seen: Callable[[str, int], None]) -> None:
        if self._stop.is_set():
            raise StoppedError
        target = self.folder / package.file
        if not package.remote.is_at(target):
            self.transport.fetch(
                package.remote, target, lambda size: seen(package.file, size), self._stop
            )
        self._prove(package, target)
        seen(package.file, package.remote.size)

    def _prove(self, package: Package, path: Path) -> None:
        """Check name, version and signature; what is not proven does not stay."""
        try:
            found = rpmfile.read(path)
            if found.identity() != package.identity:
                raise CitadelleError(f"le fichier contient en fait {found.identity()}")
            if package.repository.gpgcheck:
                keyring = self.keyrings[package.repository.name]
                self.signers[package.file] = found.signer(keyring)
        except CitadelleError as error:
            path.unlink()
            raise CitadelleError(
                f"{package.file} (dépôt {package.repository.name}) refusé et effacé : {error}. "
                "Ne l'installez pas ; prévenez l'éditeur du dépôt, ou changez de miroir dans "
                "depots.yml."
            ) from None

    def _remove_others(self, packages: Sequence[Package]) -> None:
        """Remove packages of an earlier resolution: dnf would offer them too."""
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = {package.file for package in packages}
        for path in (*self.folder.glob("*.rpm"), *self.folder.glob("*.rpm.part")):
            if path.name.removesuffix(".part") not in wanted:
                path.unlink()

    def _require_room(self, packages: Sequence[Package]) -> None:
        missing = sum(package.remote.size - _present(self.folder, package) for package in packages)
        free = shutil.disk_usage(self.folder).free
        if missing + MARGIN > free:
            raise CitadelleError(
                f"Disque plein : {_megabytes(missing + MARGIN)} Mo à écrire dans {self.folder}, "
                f"{_megabytes(free)} Mo libres. Libérez de la place ou choisissez un autre dossier "
                "(--to), puis relancez."
            )


def _present(folder: Path, package: Package) -> int:
    """Return how many bytes of a package are there, its part file included."""
    paths = (folder / package.file, folder / f"{package.file}.part")
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return min(max(sizes, default=0), package.remote.size)


def _megabytes(size: int) -> int:
    return -(-size // 1_000_000)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console)
