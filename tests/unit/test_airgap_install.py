"""airgap-install: nothing before everything is verified; then a checkout that can be updated."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest

from citadelle.airgap import manifest
from tests.unit import bundles
from tests.unit.bundles import Bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A sound bundle."""
    return bundles.make(tmp_path / "bundle")


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A `docker` that notes what it is asked."""
    return bundles.fake_docker(tmp_path)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where to install."""
    return tmp_path / "opt" / "citadelle"


def log(docker: Path) -> str:
    """Return what `docker` was asked."""
    path = Path(f"{docker}.log")
    return path.read_text() if path.is_file() else ""


def project(target: Path) -> dict[str, bytes]:
    """Return the files of the destination, what describes the installation aside."""
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file() and not path.name.startswith(".citadelle")
    }


def test_install(bundle: Bundle, target: Path, docker: Path) -> None:
    """The project, executable where it must be, and this Python's wheels."""
    done = bundle.install(target, docker=docker)

    assert done.returncode == 0, done.stderr
    found = project(target)
    assert {name: found[name] for name in bundles.PROJECT} == bundles.PROJECT
    assert (target / "bootstrap").stat().st_mode & 0o777 == 0o755
    assert (target / "tasks.py").stat().st_mode & 0o777 == 0o644
    assert {name for name in found if name.startswith("wheels/")} == {
        "wheels/some-1.0-py3-none-any.whl",
        "wheels/requirements.lock",
    }


def test_images_that_are_there_are_not_loaded(bundle: Bundle, target: Path, docker: Path) -> None:
    """A second run takes no time."""
    bundle.install(target, docker=docker)

    assert "image inspect citadelle-airgap/pod:0123456789ab" in log(docker)
    assert "load" not in log(docker)


def test_another_image_than_signed(bundle: Bundle, target: Path, docker: Path) -> None:
    """Loaded, compared, refused: its name goes."""
    bundles.has_image(docker, f"sha256:{'2' * 64}", [*bundles.LAYERS, f"sha256:{'c' * 64}"])
    done = bundle.install(target, docker=docker)

    assert done.returncode == 2
    assert "load\n" in log(docker)
    assert "image rm citadelle-airgap/pod:0123456789ab" in log(docker)
    assert "autres que celles signées : citadelle-airgap/pod" in done.stderr


def test_store_that_gives_other_identifiers(bundle: Bundle, target: Path, docker: Path) -> None:
    """Containerd's names an image by its manifest: the layers are what was signed."""
    bundles.has_image(docker, f"sha256:{'2' * 64}", bundles.LAYERS)

    assert bundle.install(target, docker=docker).returncode == 0


@pytest.mark.parametrize(
    "name", ["repository/citadelle.tar", "images/images.tar", "airgap-install", manifest.NAME]
)
def test_tampered_bundle(bundle: Bundle, target: Path, docker: Path, name: str) -> None:
    """Refused before the destination exists, and before `docker` is asked anything."""
    path = bundle.folder / name
    path.write_bytes(path.read_bytes() + b"\n")
    done = bundle.install(target, docker=docker)

    assert done.returncode == 1
    assert name in done.stderr
    assert "rien n'est installé" in done.stderr
    assert not target.parent.exists()
    assert log(docker) == ""


def test_wrong_fingerprint(bundle: Bundle, target: Path, docker: Path, tmp_path: Path) -> None:
    """Someone else's bundle, sound in itself."""
    other = bundles.make(tmp_path / "autre")
    done = Bundle(other.folder, bundle.signer).install(target, docker=docker)

    assert done.returncode == 1
    assert not target.parent.exists()
    assert log(docker) == ""


def test_change_after_verification(bundle: Bundle) -> None:
    """A file is read again to be installed: what changed meanwhile is not."""
    program = runpy.run_path(str(bundle.folder / "airgap-install"), run_name="install")
    verified = program["Bundle"](json.loads((bundle.folder / manifest.NAME).read_bytes()))
    bundle.put("repository/citadelle.tar", b"other")

    with pytest.raises(program["InstallError"], match="changé depuis la vérification"):
        verified.read("repository/citadelle.tar")


def test_images_changed_after_verification(
    bundle: Bundle, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared as they are given to the engine; what it has taken meanwhile goes."""
    program = runpy.run_path(str(bundle.folder / "airgap-install"), run_name="install")
    verified = program["Bundle"](json.loads((bundle.folder / manifest.NAME).read_bytes()))
    bundle.put("images/images.tar", b"other")
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")

    with pytest.raises(program["InstallError"], match=r"images\.tar : changé depuis"):
        program["load"](verified, "images/images.tar")
    assert "image rm citadelle-airgap/ajout:1" in log(docker)


def test_nothing_is_written_in_the_bundle(bundle: Bundle, target: Path, docker: Path) -> None:
    """It may lie on a disk that cannot be written."""
    before = sorted(bundle.folder.rglob("*"))
    bundle.install(target, docker=docker)

    assert sorted(bundle.folder.rglob("*")) == before


def test_other_checkout(bundle: Bundle, target: Path, docker: Path) -> None:
    """Work that lies there is not this program's to replace."""
    target.mkdir(parents=True)
    (target / "tasks.py").write_text("mine\n")
    done = bundle.install(target, docker=docker)

    assert done.returncode == 2
    assert "contient autre chose" in done.stderr
    assert project(target) == {"tasks.py": b"mine\n"}


def test_into_the_bundle(bundle: Bundle, docker: Path) -> None:
    """The next verification would refuse it."""
    done = bundle.install(bundle.folder / "ici", docker=docker)

    assert done.returncode == 2
    assert not (bundle.folder / "ici").exists()


# In the order that they are written.
NEWER = {
    "bootstrap": b"#!/bin/bash\n",
    "scripts/new": b"new\n",
    "tasks.py": b"new\n",
    "zones.md": b"b\n",
}


@pytest.fixture
def updated(bundle: Bundle, target: Path, docker: Path, tmp_path: Path) -> Bundle:
    """A newer bundle over an installation that has lived; another file, one less."""
    bundle.install(target, docker=docker)
    for name in (".env", "build/pki/ca.key", "dist/rpms/a.rpm"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text("kept")
    (target / "tasks.py").write_text("changed here\n")
    newer = bundles.make(tmp_path / "neuve", bundle.signer, day=21)
    newer.put("repository/citadelle.tar", bundles.archive(NEWER))
    newer.put(f"wheels/{bundles.PYTHON}/other-2.0-py3-none-any.whl", b"other")
    newer.sign()
    return newer


def test_update(updated: Bundle, target: Path, docker: Path) -> None:
    """The newer project, without what it no longer has; the operator's files stay."""
    done = updated.install(target, docker=docker)

    assert done.returncode == 0, done.stderr
    found = project(target)
    assert found["bootstrap"] == b"#!/bin/bash\n"
    assert found["scripts/new"] == b"new\n"
    assert "docs/page.md" not in found
    assert found[".env"] == found["build/pki/ca.key"] == found["dist/rpms/a.rpm"] == b"kept"
    assert "wheels/other-2.0-py3-none-any.whl" in found


def test_update_keeps_what_was_changed_here(updated: Bundle, target: Path, docker: Path) -> None:
    """A copy of it, and it alone, is set aside."""
    done = updated.install(target, docker=docker)

    assert "tasks.py avait été modifié ici" in done.stdout
    aside = target / "build" / "avant-bundle"
    assert [path.name for path in aside.rglob("*") if path.is_file()] == ["tasks.py"]
    assert (aside / "tasks.py").read_bytes() == b"changed here\n"


def test_interrupted_update(updated: Bundle, target: Path, docker: Path) -> None:
    """Run again, it ends as if nothing had happened: what is still old is ours, not a change."""
    (target / "scripts/new").mkdir(parents=True)
    assert updated.install(target, docker=docker).returncode == 2
    found = project(target)
    assert (found["bootstrap"], found["zones.md"]) == (NEWER["bootstrap"], b"a\n")
    (target / "scripts/new").rmdir()
    done = updated.install(target, docker=docker)

    assert done.returncode == 0
    assert "zones.md" not in done.stdout
    found = project(target)
    assert {name: found[name] for name in NEWER} == NEWER


def test_older_bundle(updated: Bundle, bundle: Bundle, target: Path, docker: Path) -> None:
    """A signature proves who, not when: going back is asked for."""
    updated.install(target, docker=docker)
    done = bundle.install(target, docker=docker)

    assert done.returncode == 2
    assert "--plus-ancienne" in done.stderr
    assert (target / "tasks.py").read_bytes() == b"new\n"
    assert bundle.install(target, "--plus-ancienne", docker=docker).returncode == 0
    assert (target / "tasks.py").read_bytes() == b"pass\n"


def test_partial_bundle(updated: Bundle, target: Path, docker: Path) -> None:
    """Only what changed travels: the rest stays as it was."""
    for folder in ("repository", "wheels"):
        shutil.rmtree(updated.folder / folder)
    updated.sign()
    before = project(target)
    done = updated.install(target, docker=docker)

    assert done.returncode == 0, done.stderr
    assert project(target) == before


def test_partial_bundle_first(bundle: Bundle, target: Path, docker: Path) -> None:
    """Nothing can come of it."""
    shutil.rmtree(bundle.folder / "wheels")
    bundle.sign()
    done = bundle.install(target, docker=docker)

    assert done.returncode == 2
    assert "bundle partiel" in done.stderr
    assert not target.exists()


def test_no_wheels_for_this_python(bundle: Bundle, target: Path, docker: Path) -> None:
    """Said before the project is unpacked, with those that there are."""
    (bundle.folder / "wheels" / bundles.PYTHON).rename(bundle.folder / "wheels" / "py3.99")
    bundle.sign()
    done = bundle.install(target, docker=docker)

    assert done.returncode == 2
    assert f"pas de roues pour Python {bundles.PYTHON[2:]}" in done.stderr
    assert "py3.99" in done.stderr
    assert not target.exists()
