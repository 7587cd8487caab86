"""Debian packages of the receiving host: Docker Engine, Compose, Python, with all they need.

apt chooses, fetches and checks signatures, with a state of its own: the machine's is neither
read nor changed, and as nothing is installed in it, what is chosen goes on any host of the suite.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from citadelle import debian
from citadelle.airgap.transport import digest, writing
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from citadelle.settings import Settings
from citadelle.workspace import ROOT

CACHE = ROOT / "build" / "airgap" / "cache" / "debian"
# What ./bootstrap and `scripts/install_local_tools.sh --engine` ask apt for, by suite.
_COMMON = ("docker.io", "iptables", "ca-certificates", "mmdebstrap", "apparmor")
_PYTHON = ("python3", "python3-venv")
WANTED = {
    "bookworm": (*_COMMON, *_PYTHON),
    "trixie": (*_COMMON, *_PYTHON, "docker-cli", "docker-compose"),
}
# Debian 12 has no Compose v2: that script unpacks Debian 13's, a single static program. It lies
# apart, out of reach of apt, whose dependencies it does not meet.
COMPOSE = ("trixie", "docker-compose")
COMPOSE_PLACE = "bookworm/compose"
_EMPTY = "rien"
# A hundred megabytes over a slow line.
_SECONDS = 1800
_ERROR_LINES = 6


@dataclass(frozen=True)
class Package:
    """A package as the signed index describes it; the file in the cache has apt's own name."""

    stanza: str
    cached: str

    def field(self, name: str) -> str:
        """Return a field of the index.

        Raises:
            CitadelleError: it has none: nothing would prove the file.
        """
        found = re.search(rf"^{name}: (.+)$", self.stanza, re.MULTILINE)
        if found is None:
            raise CitadelleError(f"{self.cached} : le dépôt Debian n'en donne pas « {name} ».")
        return found.group(1)

    @property
    def file(self) -> str:
        """Return its name on a mirror, without the epoch, which no URL needs to quote."""
        return Path(self.field("Filename")).name

    def is_at(self, path: Path) -> bool:
        """Tell whether this very package is there."""
        return path.is_file() and digest(path, "sha256") == self.field("SHA256")

    def listed(self) -> str:
        """Return the stanza for an index beside the files."""
        return re.sub(r"^Filename: .+$", f"Filename: ./{self.file}", self.stanza, flags=re.M)


@dataclass(frozen=True)
class Apt:
    """apt with a private state, for one suite."""

    suite: str
    folder: Path

    def prepare(self, settings: Settings) -> None:
        """Lay the state out and read the indexes; what has not changed is not fetched again.

        Raises:
            CitadelleError: no apt, no mirror, or one whose signature is wrong.
        """
        with writing(self.folder):
            for name in ("lists/partial", "archives/partial", f"{_EMPTY}/partial"):
                place = self.folder / name
                place.mkdir(parents=True, exist_ok=True)
                # apt fetches as this account, which must be able to write there.
                with suppress(LookupError, PermissionError):
                    shutil.chown(place, "_apt")
            (self.folder / "status").write_text("")
            lines = debian.sources(settings, self.suite, f"signed-by={debian.KEYRING}")
            (self.folder / "sources.list").write_text("\n".join(lines) + "\n")
        self.run("apt-get", "update", "--error-on=any")

    def packages(self, *names: str) -> list[Package]:
        """Return packages and all that they need, sorted by name."""
        # apt does not name what it has already: asked as if it had nothing.
        nothing = f"--option=Dir::Cache::archives={self.folder / _EMPTY}"
        uris = self.run("apt-get", nothing, "install", "--print-uris", "--yes", *names)
        files = [line.split()[1] for line in uris.splitlines() if line.startswith("'")]
        return self._described(files)

    def alone(self, name: str) -> Package:
        """Return one package without what it needs."""
        uri = self.run("apt-get", "download", "--print-uris", name)
        return self._described([uri.split()[1]])[0]

    def _described(self, files: Sequence[str]) -> list[Package]:
        by_name = {_wanted(file): file for file in files}
        stanzas = self.run("apt-cache", "show", *by_name).strip().split("\n\n")
        found = {}
        for stanza in stanzas:
            package = Package(stanza, "")
            wanted = f"{package.field('Package')}={package.field('Version')}"
            found[wanted] = Package(stanza, by_name[wanted])
        return [found[wanted] for wanted in sorted(by_name)]

    def fetch(self, found: Sequence[Package], *argv: str) -> None:
        """Bring what is missing or spoilt, then check every digest.

        Raises:
            CitadelleError: unreachable, or different from what the index announces.
        """
        archives = self.folder / "archives"
        missing = [one for one in found if not one.is_at(archives / one.cached)]
        for one in missing:
            (archives / one.cached).unlink(missing_ok=True)
        if missing:
            self.run("apt-get", "--yes", *argv, cwd=archives)
        for one in found:
            if not one.is_at(archives / one.cached):
                raise CitadelleError(
                    f"{one.cached} : différent de ce que le dépôt signé annonce ; relancez, ou "
                    "changez de miroir (DEBIAN_MIRROR dans .env)."
                )

    def run(self, tool: str, *argv: str, cwd: Path | None = None) -> str:
        """Run one of apt's commands in English on this state and return what it says.

        Raises:
            CitadelleError: it is not there, or fails.
        """
        command = shutil.which(tool)
        if command is None:
            raise CitadelleError(
                f"{tool} introuvable : la part « debian » se prépare sur Debian ou Ubuntu ; "
                "laissez-la de côté avec --only."
            )
        try:
            result = subprocess.run(
                [command, "-qq", *self._options(), *argv],
                cwd=cwd,
                env={**os.environ, "LC_ALL": "C"},
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CitadelleError(
                f"{tool} n'a pas fini en {_SECONDS} s : relancez, ce qui est là est gardé."
            ) from None
        if result.returncode:
            raise _failed(tool, result.stderr)
        return result.stdout

    def _options(self) -> Iterator[str]:
        places = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder,
            "Dir::Cache::archives": self.folder / "archives",
            "APT::Install-Recommends": "false",
        }
        for name, value in places.items():
            yield f"--option={name}={value}"


def gather(folder: Path, settings: Settings, steps: Steps) -> None:
    """Write each suite's packages and their index below a folder.

    Raises:
        CitadelleError: no apt here, no mirror, disk full.
    """
    states = {suite: Apt(suite, CACHE / suite) for suite in WANTED}
    for suite, apt in states.items():
        with steps.step(f"Paquets Debian, {suite}"):
            apt.prepare(settings)
            found = apt.packages(*WANTED[suite])
            apt.fetch(found, "install", "--download-only", *WANTED[suite])
            _drop_others(apt, found)
            _deliver(apt, found, folder / suite)
            index = "\n\n".join(one.listed() for one in found) + "\n"
            with writing(folder):
                (folder / suite / "Packages").write_text(index, encoding="utf-8")
    suite, name = COMPOSE
    with steps.step("Compose v2 de Debian 13 pour Debian 12"):
        _deliver(states[suite], [states[suite].alone(name)], folder / COMPOSE_PLACE)


def _deliver(apt: Apt, found: Sequence[Package], target: Path) -> None:
    with writing(target):
        target.mkdir(parents=True)
        for one in found:
            shutil.copyfile(apt.folder / "archives" / one.cached, target / one.file)


def _drop_others(apt: Apt, found: Sequence[Package]) -> None:
    """Remove the packages of an earlier index."""
    kept = {one.cached for one in found}
    for path in (apt.folder / "archives").glob("*.deb"):
        if path.name not in kept:
            path.unlink()


def _wanted(file: str) -> str:
    """Return ``name=version`` from apt's name of a file, ``name_version_arch.deb``."""
    name, version, _ = file.split("_")
    return f"{name}={unquote(version)}"


def _failed(tool: str, said: str) -> CitadelleError:
    lines = [line for line in said.strip().splitlines() if not line.startswith("W:")]
    tail = "\n".join(lines[-_ERROR_LINES:])
    return CitadelleError(
        f"{tool} a échoué (miroir joignable ? DEBIAN_MIRROR dans .env). Relancez : ce qui est là "
        f"est gardé.\n{tail}"
    )
