"""The archive of images, by the real engine: the same twice, and loaded as it was."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from citadelle import engine
from citadelle.airgap import archives
from citadelle.errors import CitadelleError


def _tar(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    return buffer.getvalue()


@dataclass(frozen=True)
class Images:
    """A base, and two images made from it, which share its layer."""

    base: str
    names: tuple[str, ...]

    def identifiers(self) -> dict[str, str]:
        """Return the identifier of each image."""
        found = engine.inspect("image", *self.names)
        return {name: one["Id"] for name, one in zip(self.names, found, strict=True)}

    def remove(self) -> None:
        """Take them away from the engine, layers included."""
        engine.docker("image", "rm", "--force", *self.names)

    def rewritten(self, folder: Path, order: tuple[str, ...]) -> Path:
        """Save them in some order and rewrite the archive."""
        folder.mkdir()
        engine.docker("save", f"--output={folder / 'brut'}", *order)
        archives.rewrite_images(folder / "brut", folder / "net")
        return folder / "net"


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    """Images of a few bytes, under names of this test's own."""
    try:
        engine.require()
    except CitadelleError as error:
        pytest.exit(str(error), returncode=2)
    family = f"citadelle-essai-{secrets.token_hex(4)}"
    base, *others = (f"{family}/{name}:1" for name in ("base", "un", "deux"))
    (tmp_path / "base.tar").write_bytes(_tar("fond"))
    engine.docker("import", str(tmp_path / "base.tar"), base)
    for name in others:
        container = engine.docker("create", base, "/rien").strip()
        engine.docker("cp", "-", f"{container}:/", stdin=_tar(name.replace("/", "-")))
        engine.docker("commit", container, name)
        engine.docker("rm", container)
    found = Images(base, (base, *others))
    yield found
    found.remove()


def test_two_archives_are_the_same(images: Images, tmp_path: Path) -> None:
    """In whatever order the images are asked for."""
    first = images.rewritten(tmp_path / "1", images.names)
    second = images.rewritten(tmp_path / "2", images.names[::-1])

    assert first.read_bytes() == second.read_bytes()


def test_loaded_images_are_the_same(images: Images, tmp_path: Path) -> None:
    """The engine gives them the names and the identifiers that they had."""
    before = images.identifiers()
    archive = images.rewritten(tmp_path / "1", images.names)
    images.remove()
    engine.docker("load", f"--input={archive}")

    assert images.identifiers() == before


def test_loaded_image_is_whole(images: Images, tmp_path: Path) -> None:
    """Its own files, and those of the base below it."""
    archive = images.rewritten(tmp_path / "1", images.names)
    images.remove()
    engine.docker("load", f"--input={archive}")
    container = engine.docker("create", images.names[1], "/rien").strip()
    engine.docker("export", f"--output={tmp_path / 'contenu.tar'}", container)
    engine.docker("rm", container)

    with tarfile.open(tmp_path / "contenu.tar") as content:
        names = set(content.getnames())
    assert {"fond", images.names[1].replace("/", "-")} <= names
