"""The repository that travels: what is committed, and nothing else."""

from __future__ import annotations

import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT

ARCHIVE = "citadelle.tar"
TOOLS = ("airgap-verify", "airgap-install")
_SECONDS = 300


def version() -> str:
    """Return the project's version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def commit() -> str:
    """Return the commit that is exported.

    Raises:
        CitadelleError: not a git repository, or files that differ from the commit.
    """
    found = _git("rev-parse", "HEAD").strip()
    if changed := _git("status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:3])
        raise CitadelleError(
            f"{len(changed)} fichiers ne sont pas dans le commit exporté ({names}…) : faites-en un "
            "commit ou mettez-les de côté (git stash --include-untracked), puis relancez."
        )
    return found


def dated() -> datetime:
    """Return the commit's date."""
    return datetime.fromtimestamp(int(_git("log", "-1", "--format=%ct")), UTC)


def tools() -> list[Path]:
    """Return the programs of the other side.

    Raises:
        CitadelleError: one of them is missing.
    """
    found = [ROOT / "scripts" / name for name in TOOLS]
    if missing := [path for path in found if not path.is_file()]:
        names = ", ".join(path.relative_to(ROOT).as_posix() for path in missing)
        raise CitadelleError(
            f"Absent du dépôt : {names}. Sans eux, l'autre côté ne peut rien vérifier ; "
            "reprenez un dépôt complet."
        )
    return found


def archive(folder: Path) -> None:
    """Write the commit as a tar file; the same commit gives the same bytes."""
    folder.mkdir(parents=True)
    # The operator's own umask for archives would be a difference.
    _git("-c", "tar.umask=0022", "archive", "--format=tar", f"--output={folder / ARCHIVE}", "HEAD")


def _git(*argv: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", str(ROOT), *argv],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise CitadelleError("git introuvable : installez-le, puis relancez.") from None
    if result.returncode:
        raise CitadelleError(
            f"git {argv[0]} a échoué ; l'export se fait depuis un dépôt git : "
            f"{result.stderr.strip()[-300:]}"
        )
    return result.stdout
