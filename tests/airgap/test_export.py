"""The bundle: whole or not at all, the same twice, without secrets."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from citadelle.airgap import archives, export, manifest, parts, source
from citadelle.airgap.parts import Making
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from citadelle.workspace import ROOT
from tests.airgap import _export
from tests.airgap._export import Project

EPOCH = "1700000000"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project, committed."""
    found = _export.create(tmp_path)
    monkeypatch.setattr(source, "ROOT", found.checkout)
    return found


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def described(folder: Path) -> dict[str, Any]:
    """Return the manifest of a bundle."""
    found: dict[str, Any] = json.loads((folder / manifest.NAME).read_text(encoding="utf-8"))
    return found


def left(project: Project) -> set[str]:
    """Return what lies where bundles go."""
    return {path.name for path in project.request.folder.glob("*")}


def test_bundle_holds_the_commit(project: Project) -> None:
    """The whole repository, as git has it."""
    with tarfile.open(project.export().folder / "repository" / source.ARCHIVE) as archive:
        files = {member.name for member in archive if member.isfile()}

    assert files == set(_export.FILES)


def test_two_exports_differ_in_their_moment_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same commit on two days: every digest is the same."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    first = described(project.export().folder)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    second = described(project.export().folder)

    assert first.pop("created") != second.pop("created")
    assert first == second


def test_two_exports_at_one_moment_are_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifest, signature and single file too."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    project.export(tar=True)
    first = content(project.request.folder)
    project.export(tar=True)

    assert content(project.request.folder) == first


def test_single_file_holds_the_bundle(project: Project) -> None:
    """Programs stay executable."""
    folder = project.export(tar=True).folder
    with tarfile.open(folder.with_name(f"{folder.name}.tar")) as archive:
        modes = {member.name: member.mode for member in archive}

    assert set(modes) == {f"{folder.name}/{name}" for name in content(folder)}
    assert modes[f"{folder.name}/airgap-verify"] == 0o755


def test_umask_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's modes are the files' own, and others can read them."""
    real = source.archive

    def private(folder: Path) -> None:
        real(folder)
        (folder / source.ARCHIVE).chmod(0o600)

    monkeypatch.setattr(source, "archive", private)
    before = os.umask(0o077)
    try:
        folder = project.export().folder
    finally:
        os.umask(before)

    for row in described(folder)["files"]:
        assert f"{(folder / row['path']).stat().st_mode & 0o777:04o}" == row["mode"], row["path"]


def test_secret_stops_the_export(project: Project) -> None:
    """One that was committed by mistake: named, with its file, and no bundle."""
    name, secret = next(iter(project.request.topology.settings.secrets().items()))
    project.write("docs/notes.md", f"mot de passe : {secret.reveal()}\n")
    project.commit()

    with pytest.raises(CitadelleError, match=f"{name} trouvé dans repository/.*notes"):
        project.export()
    assert {name.rpartition(".")[2] for name in left(project)} == {"partial"}


def test_uncommitted_file_is_refused(project: Project) -> None:
    """It would be missing on the other side."""
    project.write("docs/nouveau.md", "x")

    with pytest.raises(CitadelleError, match="docs/"):
        project.export()
    assert left(project) == set()


def test_other_side_s_programs_are_needed(project: Project) -> None:
    """A bundle that nobody can verify is none."""
    project.git("rm", "--quiet", "scripts/airgap-verify")
    project.commit()

    with pytest.raises(CitadelleError, match="scripts/airgap-verify"):
        project.export()


def test_not_a_repository_is_told(project: Project, tmp_path: Path) -> None:
    """For instance the checkout that a bundle has made."""
    (project.checkout / ".git").rename(tmp_path / "ailleurs")

    with pytest.raises(CitadelleError, match="depuis un dépôt git"):
        project.export()


@pytest.mark.parametrize("error", [KeyboardInterrupt, CitadelleError("réseau coupé")])
def test_interrupted_export_leaves_the_last_bundle(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """It is replaced when the next one is whole."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    folder = project.export().folder
    first = content(folder)

    def interrupted(_making: Making) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(parts, "PARTS", {**parts.PARTS, "repository": interrupted})
        patch.setattr("citadelle.airgap.export.PARTS", parts.PARTS)
        with pytest.raises((KeyboardInterrupt, CitadelleError)):
            project.export()

    assert content(folder) == first
    assert left(project) == {folder.name, f"{folder.name}.partial"}
    assert content(project.export().folder) == first
    assert left(project) == {folder.name}


def test_what_travels_apart_is_told(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The key's fingerprint, and the digests of the two programs that run before any check."""
    bundle = project.export()
    export.report(bundle, Steps())
    said = capsys.readouterr().out

    assert bundle.signer.fingerprint in said
    for name in source.TOOLS:
        assert hashlib.sha256((bundle.folder / name).read_bytes()).hexdigest() in said


def test_only_inventory_is_refused(project: Project) -> None:
    """It has nothing to describe."""
    with pytest.raises(CitadelleError, match="ajoutez « wheels » ou « images »"):
        project.export(parts=("sbom",))
    assert left(project) == set()


def test_absent_rpms_are_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the screen and in the manifest."""
    monkeypatch.setattr(parts, "RPMS", project.folder / "aucun")
    found = described(project.export(parts=("repository", "rpms")).folder)

    assert found["parts"]["rpms"] == {"files": 0, "bytes": 0}
    assert "Pas de RPM" in capsys.readouterr().out


def test_full_disk_at_the_last_step(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The single file does not fit: neither it nor the folder gets its name."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives, "pack", full)
    with pytest.raises(CitadelleError, match="Disque plein"):
        project.export(tar=True)
    assert {name.rpartition(".")[2] for name in left(project)} == {"partial"}


# --- A small disk, seen by one process alone ------------------------------------------------------

SCRIPT = """
import pathlib, shutil, sys
from citadelle.airgap import source
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from tests.airgap._export import Project
if sys.argv[2] == "lie":
    shutil.disk_usage = lambda _: shutil._ntuple_diskusage(10**12, 0, 10**12)
project = Project(pathlib.Path(sys.argv[1]))
source.ROOT = project.checkout
try:
    project.export()
except CitadelleError as error:
    print("ERREUR", error)
for path in project.request.folder.iterdir():
    print("RESTE", path.name)
"""


def export_apart(project: Project, size: str, mode: str) -> str:
    """Export in a mount namespace where ``dist`` is a disk of ``size``; return what was said."""
    project.request.folder.mkdir()
    script = project.folder / "essai.py"
    script.write_text(SCRIPT, encoding="utf-8")
    mount = f'mount -t tmpfs -o size={size} tmpfs "$1/dist" && exec "$3" "$4" "$1" "$2"'
    argv = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", str(project.folder)]
    result = subprocess.run(
        [*argv, mode, sys.executable, str(script)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def test_lack_of_room_is_told_before(project: Project) -> None:
    """How much is needed, how much is free; nothing is written."""
    said = export_apart(project, "1m", "look")

    assert "ERREUR Disque plein : 88 Mo à écrire dans" in said
    assert "RESTE" not in said


def test_disk_that_fills_up_is_told(project: Project) -> None:
    """Only the growing folder is left, whose name says what it is."""
    project.write("gros", "x" * 2_000_000)
    project.commit()
    said = export_apart(project, "1m", "lie")

    assert "ERREUR Disque plein en écrivant" in said
    left_over = [line for line in said.splitlines() if line.startswith("RESTE")]
    assert left_over == [f"RESTE citadelle-9.9.9-{platform.machine()}.partial"]
