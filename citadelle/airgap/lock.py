"""A lock of requirements as pip reads it: exact versions, markers, digests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from citadelle.airgap.transport import digest
from citadelle.errors import CitadelleError


@dataclass(frozen=True, order=True)
class Pinned:
    """One requirement of a lock, and the digests of the files that satisfy it."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def is_wheel(self, path: Path) -> bool:
        """Tell whether a file is one of this requirement's, by name, version and digest."""
        name, version = identity(path)
        return (name, version) == (self.name, self.version) and (
            digest(path, "sha256") in self.hashes
        )

    def line(self, *hashes: str) -> str:
        """Return the requirement, as pip reads it, with these digests only."""
        return "".join([f"{self.name}=={self.version}", *(f" --hash=sha256:{h}" for h in hashes)])


def identity(wheel: Path) -> tuple[str, str]:
    """Return the canonical name and version that a wheel's name says."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return str(name), str(version)


def read(path: Path, python: str, machine: str) -> list[Pinned]:
    """Return what a lock asks of CPython ``python`` (``3.12``) on Linux and one architecture.

    pip evaluates markers for the Python that runs it, whatever ``--python-version`` says: the
    lock is therefore sorted out here.

    Raises:
        CitadelleError: the file cannot be read or is not a hashed lock.
    """
    environment = {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
    try:
        lines = list(_logical_lines(path.read_text(encoding="utf-8").splitlines()))
        return sorted(_pinned(line) for line in lines if _applies(line, environment))
    except (OSError, ValueError) as error:
        raise CitadelleError(f"{path} : verrou illisible ({error}).") from None


def _logical_lines(lines: Iterable[str]) -> Iterator[str]:
    """Join what backslashes continue; leave comments out."""
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    yield from filter(None, (line.strip() for line in text.replace("\\\n", " ").splitlines()))


def _requirement(line: str) -> Requirement:
    return Requirement(line.partition(" --hash")[0])


def _applies(line: str, environment: dict[str, str]) -> bool:
    marker = _requirement(line).marker
    return marker is None or marker.evaluate(environment)


def _pinned(line: str) -> Pinned:
    requirement = _requirement(line)
    (version,) = requirement.specifier
    hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", line)
    if version.operator != "==" or not hashes:
        raise ValueError(line[:60])
    return Pinned(canonicalize_name(requirement.name), version.version, tuple(hashes))
