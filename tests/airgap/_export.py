"""A small project under git, to export as the real one is: real git, real files, own key."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from citadelle.airgap import export, minisign
from citadelle.airgap.export import Bundle, Request
from citadelle.progress import Steps
from citadelle.workspace import Home
from tests.unit import factory

FILES = {
    "pyproject.toml": '[project]\nname = "citadelle"\nversion = "9.9.9"\n',
    "LICENSE": "Texte de la licence\n",
    "scripts/airgap-verify": "#!/bin/sh\nexit 0\n",
    "scripts/airgap-install": "#!/bin/sh\nexit 0\n",
}


@dataclass(frozen=True)
class Project:
    """The checkout, the operator's home and key, and where bundles go."""

    folder: Path

    @property
    def checkout(self) -> Path:
        """What is exported."""
        return self.folder / "depot"

    @property
    def request(self) -> Request:
        """An export of the repository alone: neither Docker nor a network is needed."""
        home = Home(self.folder / "home")
        key = self.folder / "cle" / "citadelle.key"
        return Request(factory.topology(), home, ("repository",), self.folder / "dist", key=key)

    def write(self, name: str, content: str) -> None:
        """Write a file of the checkout."""
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=essai")

    def git(self, *argv: str) -> None:
        """Run git as somebody."""
        who = ["-c", "user.name=essai", "-c", "user.email=essai@example.org"]
        subprocess.run(["git", "-C", str(self.checkout), *who, *argv], check=True)

    def export(self, **changes: object) -> Bundle:
        """Export it."""
        return export.run(replace(self.request, **changes), Steps())  # type: ignore[arg-type]  # by name


def create(folder: Path) -> Project:
    """Return a committed project."""
    project = Project(folder)
    for name, content in FILES.items():
        project.write(name, content)
    project.git("init", "--quiet")
    project.commit()
    minisign.own(folder / "cle" / "citadelle.key")
    return project
