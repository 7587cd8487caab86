"""Whose key it is, and what that key has signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from citadelle.airgap import manifest
from citadelle.airgap.minisign import Signer
from tests.unit import bundles
from tests.unit.bundles import Bundle

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A sound bundle."""
    return bundles.make(tmp_path / "bundle")


@pytest.fixture
def stranger() -> Signer:
    """Someone whose fingerprint nobody has compared."""
    return Signer(Ed25519PrivateKey.generate())


def test_key_file(bundle: Bundle, tmp_path: Path) -> None:
    """A key that was here before the bundle is trusted as well as a fingerprint."""
    (tmp_path / "ancienne.pub").write_text(bundle.signer.public_file())

    assert bundle.verify("--cle", str(tmp_path / "ancienne.pub")) == 0


def test_fingerprint_in_one_word(bundle: Bundle) -> None:
    """With or without spaces, in either case."""
    assert bundle.verify("--empreinte", bundle.signer.fingerprint.upper().replace(" ", "")) == 0


def test_key_from_the_bundle(bundle: Bundle, capsys: Capture) -> None:
    """A bundle cannot vouch for itself."""
    assert bundle.verify("--cle", str(bundle.folder / manifest.PUBLIC)) == 2
    assert "ne prouve rien" in capsys.readouterr().err


def test_wrong_fingerprint(bundle: Bundle, stranger: Signer, capsys: Capture) -> None:
    """The fingerprint that was expected is not this key's."""
    assert bundle.verify("--empreinte", stranger.fingerprint) == 1
    assert "citadelle.pub : clé d'un autre" in capsys.readouterr().err


@pytest.mark.parametrize("digits", [0, 4, 31, 33])
def test_part_of_a_fingerprint(bundle: Bundle, digits: int, capsys: Capture) -> None:
    """A key that shares a few digits is easily made."""
    whole = bundle.signer.fingerprint.replace(" ", "") + "0"

    assert bundle.verify("--empreinte", whole[:digits]) == 2
    assert f"32 chiffres attendus, {digits} donnés" in capsys.readouterr().err


def test_no_terminal_to_confirm(bundle: Bundle, capsys: Capture) -> None:
    """Without a fingerprint someone must compare it: a script cannot."""
    assert bundle.verify("--bundle", str(bundle.folder)) == 2
    said = capsys.readouterr()
    assert bundle.signer.fingerprint in said.out
    assert "--empreinte" in said.err


@pytest.mark.parametrize(("answer", "code"), [("oui", 0), ("", 2), ("o", 2), ("non", 2)])
def test_typed_confirmation(
    bundle: Bundle, answer: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the whole word."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)

    assert bundle.verify("--bundle", str(bundle.folder)) == code


def test_signed_by_another(bundle: Bundle, stranger: Signer, capsys: Capture) -> None:
    """Everything agrees, but for the key that one trusts."""
    Bundle(bundle.folder, stranger).sign()
    (bundle.folder / manifest.PUBLIC).write_text(bundle.signer.public_file())

    assert bundle.verify() == 1
    assert "MANIFEST.json.minisig : faite par la clé " in capsys.readouterr().err


def test_signed_by_another_under_our_identifier(
    bundle: Bundle, stranger: Signer, capsys: Capture
) -> None:
    """The identifier is anyone's to write: only the signature proves."""
    Bundle(bundle.folder, stranger).sign()
    path = bundle.folder / manifest.SIGNATURE
    path.write_text(_with_identifier(path.read_text(), bundle.signer.sign(b"", "")))
    (bundle.folder / manifest.PUBLIC).write_text(bundle.signer.public_file())

    assert bundle.verify() == 1
    assert "MANIFEST.json : n'est pas ce que cette clé a signé" in capsys.readouterr().err


def _with_identifier(signature: str, of: str) -> str:
    """Return a signature file that claims another key's identifier."""
    lines, others = signature.split("\n"), of.split("\n")
    data, other = (base64.b64decode(text) for text in (lines[1], others[1]))
    lines[0], lines[1] = others[0], base64.b64encode(other[:10] + data[10:]).decode()
    return "\n".join(lines)


def test_signature_of_another_manifest(bundle: Bundle, tmp_path: Path, capsys: Capture) -> None:
    """An older bundle's signature proves nothing of this one."""
    older = bundles.make(tmp_path / "autre", bundle.signer, day=1)
    signature = (older.folder / manifest.SIGNATURE).read_text()
    (bundle.folder / manifest.SIGNATURE).write_text(signature)

    assert bundle.verify() == 1
    assert "MANIFEST.json : n'est pas ce que cette clé a signé" in capsys.readouterr().err


def test_altered_trusted_comment(bundle: Bundle, capsys: Capture) -> None:
    """It is signed too."""
    path = bundle.folder / manifest.SIGNATURE
    path.write_text(path.read_text().replace("2026-11-20", "2026-11-28"))

    assert bundle.verify() == 1
    assert "commentaire de confiance modifié" in capsys.readouterr().err


def test_comment_of_another_moment(bundle: Bundle, capsys: Capture) -> None:
    """What people read must be what the manifest says."""
    text = (bundle.folder / manifest.NAME).read_text()
    bundle.sign_text(text, "citadelle 9.9.9 2030-01-01T00:00:00Z")

    assert bundle.verify() == 1
    assert "le commentaire signé dit autre chose" in capsys.readouterr().err


def first(**values: object) -> Callable[[dict[str, Any]], object]:
    """Return what changes the first row of a manifest."""
    return lambda found: found["files"][0].update(values)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "above": (first(path="../secret"), "../secret : chemin interdit"),
    "above, later": (first(path="a/../../secret"), "chemin interdit"),
    "absolute": (first(path="/etc/passwd"), "/etc/passwd : chemin interdit"),
    "twice spelt": (first(path="sbom/./x"), "sbom/./x : chemin interdit"),
    "empty": (first(path=""), "chemin interdit"),
    "backslash": (first(path="a\\b"), "chemin interdit"),
    "nul": (first(path="a\0b"), "chemin interdit"),
    "half a character": (first(path="\ud800"), "chemin interdit"),
    "itself": (first(path="MANIFEST.json"), "MANIFEST.json : chemin interdit"),
    "number": (first(path=1), "1 : entrée hors format"),
    "negative": (first(size=-1), "taille, mode ou SHA-256 hors format"),
    "true": (first(size=True), "taille, mode ou SHA-256 hors format"),
    "setuid": (first(mode="4755"), "taille, mode ou SHA-256 hors format"),
    "short digest": (first(sha256="ab"), "taille, mode ou SHA-256 hors format"),
    "digest in capitals": (first(sha256="A" * 64), "taille, mode ou SHA-256 hors format"),
    "more": (first(owner="root"), "entrée hors format"),
    "duplicate": (lambda f: f["files"].append(f["files"][0]), "inscrit deux fois"),
    "format": (lambda f: f.update(format=2), "format inconnu"),
    "no files": (lambda f: f.pop("files"), "'files'"),
    "not rows": (lambda f: f.update(files=[1]), "MANIFEST.json : "),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_manifest(bundle: Bundle, what: str, capsys: Capture) -> None:
    """Refused even when it is signed by the right key."""
    change, expected = WRONG[what]
    bundle.rewrite(change)

    assert bundle.verify() == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("text", ['{"format": 1, "format": 1}', "[]", "{", "[" * 100_000, "NaN"])
def test_not_a_manifest(bundle: Bundle, text: str, capsys: Capture) -> None:
    """Duplicate keys, another type, an end that is missing, depth."""
    bundle.sign_text(text)

    assert bundle.verify() == 1
    assert "MANIFEST.json : " in capsys.readouterr().err


def test_duplicate_key_of_a_row(bundle: Bundle, capsys: Capture) -> None:
    """Two readers would choose differently between them."""
    text = (bundle.folder / manifest.NAME).read_text()
    bundle.sign_text(text.replace('"path": ', '"path": "x", "path": ', 1))

    assert bundle.verify() == 1
    assert "clé en double" in capsys.readouterr().err
