"""What a set of RPMs is for: a RHEL-family major version, an architecture, a PostgreSQL major."""

from __future__ import annotations

import re
from dataclasses import dataclass

from citadelle.errors import CitadelleError

RELEASES = ("8", "9", "10")
ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Target:
    """The hosts that will install the packages.

    Raises:
        CitadelleError: a release, architecture or PostgreSQL version that is not known.
    """

    el: str
    arch: str
    pg: str

    def __post_init__(self) -> None:
        _one_of("--el", self.el, RELEASES)
        _one_of("--arch", self.arch, ARCHITECTURES)
        if not re.fullmatch(r"1[3-9]|[2-9]\d", self.pg):
            raise CitadelleError(
                f"--pg {self.pg} : version majeure de PostgreSQL attendue, par exemple 17."
            )

    @property
    def name(self) -> str:
        """Return what names its files and folders: ``el9-x86_64``."""
        return f"el{self.el}-{self.arch}"

    def values(self) -> dict[str, str]:
        """Return what ``{el}``, ``{arch}`` and ``{pg}`` stand for in config/airgap/."""
        return {"el": self.el, "arch": self.arch, "pg": self.pg}


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CitadelleError(f"{option} {value} : inconnu ; choisissez {', '.join(known)}.")
