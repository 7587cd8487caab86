"""What the other side reads: a repository that dnf can use, with its keys and a .repo file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from citadelle.airgap.keys import Keyring
from citadelle.airgap.solver import Resolution
from citadelle.airgap.target import Target
from citadelle.errors import CitadelleError

PACKAGES = "paquets"
# Thousands of packages take a minute; more is a stuck disk.
_SECONDS = 1800
_HERE = "@ICI@"


def withdraw(folder: Path) -> None:
    """Make sure that a folder being filled does not look like a whole repository."""
    for name in (_file_name(folder), "modules.yaml"):
        (folder / name).unlink(missing_ok=True)
    for name in ("repodata", "cles"):
        shutil.rmtree(folder / name, ignore_errors=True)


def publish(folder: Path, target: Target, resolution: Resolution, keys: Iterable[Keyring]) -> None:
    """Write metadata, keys and, last, the .repo file. The same packages give the same bytes.

    Raises:
        CitadelleError: createrepo_c failed.
    """
    for package in resolution.packages:
        os.utime(folder / PACKAGES / package.file, (package.built, package.built))
    names = _copy_keys(folder, sorted(keys, key=lambda ring: ring.key.name))
    if resolution.modules:
        (folder / "modules.yaml").write_text(resolution.modules, encoding="utf-8")
    _index(folder, max(package.built for package in resolution.packages))
    unsigned = sorted(
        {one.repository.name for one in resolution.packages if not one.repository.gpgcheck}
    )
    text = _repo_file(folder, target, names, unsigned)
    (folder / _file_name(folder)).write_text(text, encoding="utf-8")


def _index(folder: Path, revision: int) -> None:
    """Run createrepo_c beside the repository, then move its result in at once."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        program = Path(sys.executable).with_name("createrepo_c")
        argv = [str(program), "--quiet", "--no-database", "--checksum", "sha256"]
        argv += ["--general-compress-type", "gz", "--workers", "2"]  # gz: EL 8 reads no zstd
        argv += ["--revision", str(revision), "--set-timestamp-to-revision"]
        argv += ["--outputdir", scratch, str(folder)]
        result = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
        if result.returncode:
            said = "\n".join(result.stderr.strip().splitlines()[-3:])
            raise CitadelleError(
                f"createrepo_c a échoué dans {folder} : {said}\nDisque plein ? Libérez de la place "
                "puis relancez : les paquets sont gardés."
            )
        (Path(scratch) / "repodata").rename(folder / "repodata")


def _copy_keys(folder: Path, keys: Sequence[Keyring]) -> list[str]:
    target = folder / "cles"
    target.mkdir(parents=True, exist_ok=True)
    for ring in keys:
        shutil.copyfile(ring.armored, target / ring.armored.name)
    return [ring.armored.name for ring in keys]


def _file_name(folder: Path) -> str:
    return f"citadelle-{folder.name}.repo"


def _repo_file(folder: Path, target: Target, keys: Sequence[str], unsigned: Sequence[str]) -> str:
    """Return the .repo file; the place of the folder is filled in on the other side."""
    urls = "\n       ".join(f"file://{_HERE}/cles/{name}" for name in keys)
    reason = (
        f"# Sans contrôle des signatures : {', '.join(unsigned)} (gpgcheck: false dans depots.yml)."
        if unsigned
        else "# Chaque paquet est contrôlé avec les clés de ses éditeurs, jointes dans cles/."
    )
    return f"""\
# Dépôt hors ligne de Citadelle pour {target.name}, PostgreSQL {target.pg}.
# Sur la machine sans réseau, depuis ce dossier, en root :
#   sed "s|{_HERE}|$PWD|" {_file_name(folder)} > /etc/yum.repos.d/citadelle.repo
#   dnf --disablerepo='*' --enablerepo=citadelle install postgresql{target.pg}-server
[citadelle]
name=Citadelle {target.name}
baseurl=file://{_HERE}
enabled=1
{reason}
gpgcheck={int(not unsigned)}
gpgkey={urls}
"""
