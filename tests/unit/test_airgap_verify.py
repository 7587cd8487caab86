"""A bundle that is not what was signed is refused, naming the file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from citadelle.airgap import manifest
from tests.unit import bundles
from tests.unit.bundles import Bundle

MANIFEST, SIGNATURE = manifest.NAME, manifest.SIGNATURE
FILES = [*bundles.contents(), "airgap-verify", "airgap-install", manifest.PUBLIC]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A sound bundle."""
    return bundles.make(tmp_path / "bundle")


def flip(path: Path, bit: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_sound_bundle(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how many files, what was signed, and by which key."""
    assert bundle.verify() == 0
    said = capsys.readouterr()
    assert f"Bundle intact : {len(FILES)} fichiers, citadelle 1.0.0 2026-11-20" in said.out
    assert "Mo/s" in said.err


def test_manifest_of_something_else(bundle: Bundle) -> None:
    """Only the one at the top is not in itself."""
    bundle.put(f"sbom/{MANIFEST}", b"{}")
    bundle.sign()

    assert bundle.verify() == 0


def test_verification_writes_nothing(bundle: Bundle) -> None:
    """Not even Python's cache of a module: the next verification would refuse it."""
    before = sorted(bundle.folder.rglob("*"))
    bundle.verify()

    assert sorted(bundle.folder.rglob("*")) == before


@pytest.mark.parametrize("name", FILES)
def test_flipped_bit(bundle: Bundle, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the first byte, the last one, and anywhere between."""
    path = bundle.folder / name
    last = path.stat().st_size * 8 - 1
    for bit in (0, last, random.randrange(last)):  # noqa: S311  # not a secret
        flip(path, bit)
        assert bundle.verify() == 1, f"bit {bit}"
        assert name in capsys.readouterr().err
        flip(path, bit)
    assert bundle.verify() == 0


@pytest.mark.parametrize("name", [MANIFEST, SIGNATURE])
def test_flipped_bit_of_what_proves(
    bundle: Bundle, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anywhere: comments, spaces and unused bits of base64 count too."""
    path = bundle.folder / name
    for bit in random.sample(range(path.stat().st_size * 8), 20):
        flip(path, bit)
        assert bundle.verify() == 1, f"bit {bit}"
        assert "MANIFEST.json" in capsys.readouterr().err
        flip(path, bit)


def _rename(folder: Path) -> None:
    (folder / "sbom/images.cdx.json").rename(folder / "sbom/autre.json")


def _link(folder: Path) -> None:
    (folder / "rpms/urls-el9-x86_64.txt").rename(folder.parent / "ailleurs")
    (folder / "rpms/urls-el9-x86_64.txt").symlink_to(folder.parent / "ailleurs")


def _linked_folder(folder: Path) -> None:
    (folder / "rpms").rename(folder.parent / "rpms")
    (folder / "rpms").symlink_to(folder.parent / "rpms")


def _pipe(folder: Path) -> None:
    (folder / "rpms/urls-el9-x86_64.txt").unlink()
    os.mkfifo(folder / "rpms/urls-el9-x86_64.txt")


def _truncate(folder: Path) -> None:
    os.truncate(folder / "images/images.tar", 100)


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "added": (lambda f: (f / "sbom/x").write_text(""), "sbom/x : inattendu"),
    "added at the top": (lambda f: (f / ".x").write_text(""), ".x : inattendu"),
    "added folder": (lambda f: (f / "debian/x").mkdir(), "debian/x : inattendu"),
    "second manifest": (lambda f: (f / "sbom" / MANIFEST).write_text(""), f"sbom/{MANIFEST} : in"),
    "removed": (lambda f: (f / "licences/pod/libc6").unlink(), "licences/pod/libc6 : manquant"),
    "renamed": (_rename, "sbom/autre.json : inattendu"),
    "mode": (lambda f: (f / "images/images.tar").chmod(0o755), "images/images.tar : mode 0755"),
    "setuid": (lambda f: (f / "airgap-verify").chmod(0o4755), "airgap-verify : mode 4755"),
    "link": (_link, "rpms/urls-el9-x86_64.txt : lien symbolique"),
    "linked folder": (_linked_folder, "rpms : lien symbolique"),
    "pipe": (lambda f: os.mkfifo(f / "rpms/tube"), "rpms/tube : inattendu"),
    "pipe for a file": (_pipe, "urls-el9-x86_64.txt : illisible (pas un fichier ordinaire)"),
    "truncated": (_truncate, "images/images.tar : taille de 100 octets au lieu de "),
    "no manifest": (lambda f: (f / MANIFEST).unlink(), "MANIFEST.json : illisible"),
    "no signature": (lambda f: (f / SIGNATURE).unlink(), "MANIFEST.json.minisig : illisible"),
    "no key": (lambda f: (f / manifest.PUBLIC).unlink(), "citadelle.pub : illisible"),
    "truncated manifest": (
        lambda f: os.truncate(f / MANIFEST, (f / MANIFEST).stat().st_size // 2),
        "MANIFEST.json : n'est pas ce que cette clé a signé",
    ),
    "escape in a name": (lambda f: (f / "a\x1b[2J\nb").write_text(""), r"a\x1b[2J\nb : inattendu"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampered(bundle: Bundle, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused, saying which file and why."""
    change, expected = TAMPERED[what]
    change(bundle.folder)

    assert bundle.verify() == 1
    assert expected in capsys.readouterr().err


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Even one that is put there between the look at the folder and the reading."""
    (tmp_path / "link").symlink_to(__file__)

    with pytest.raises(OSError, match="symbolic links"):
        bundles.VERIFY.opened(tmp_path / "link")


def test_every_difference_is_named(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the first one alone."""
    for name in FILES[:4]:
        flip(bundle.folder / name, 9)
    bundle.verify()

    assert [
        line.partition(" :")[0] for line in capsys.readouterr().err.splitlines()[-4:]
    ] == sorted(FILES[:4])


def test_progress_in_a_log(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """No carriage return where nobody watches."""
    bundle.verify()

    assert "\r" not in capsys.readouterr().err
