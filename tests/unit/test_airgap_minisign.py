"""The signature of a bundle: what minisign accepts, and who may read the key."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from citadelle.airgap import minisign
from citadelle.airgap.minisign import Signer
from citadelle.errors import CitadelleError
from tests.unit import pki_home

CONTENT = b'{"format": 1}\n'
COMMENT = "citadelle 1.0.0 2026-11-28T00:00:00Z"
needs_minisign = pytest.mark.skipif(
    shutil.which("minisign") is None, reason="minisign n'est pas installé (apt install minisign)"
)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Where the operator's key is drawn."""
    return tmp_path / "airgap" / "citadelle.key"


@pytest.fixture
def signer(key: Path) -> Signer:
    """The operator's key."""
    return minisign.own(key)[0]


def minisign_says(folder: Path, signature: str, content: bytes, public: str) -> int:
    """Return the exit code of the real program on three files."""
    (folder / "m").write_bytes(content)
    (folder / "m.minisig").write_text(signature)
    (folder / "k.pub").write_text(public)
    argv = ["minisign", "-V", "-p", "k.pub", "-m", "m"]
    return subprocess.run(argv, cwd=folder, capture_output=True, check=False).returncode


@needs_minisign
def test_minisign_accepts(signer: Signer, tmp_path: Path) -> None:
    """The other side may verify with it instead of our program."""
    signature = signer.sign(CONTENT, COMMENT)

    assert minisign_says(tmp_path, signature, CONTENT, signer.public_file()) == 0


@needs_minisign
@pytest.mark.parametrize("changed", ["content", "comment", "key"])
def test_minisign_refuses(signer: Signer, tmp_path: Path, changed: str) -> None:
    """Another content, another trusted comment, another key."""
    signature = signer.sign(CONTENT, COMMENT)
    content, public = CONTENT, signer.public_file()
    if changed == "content":
        content = CONTENT.replace(b"1", b"2")
    elif changed == "comment":
        signature = signature.replace("1.0.0", "2.0.0")
    else:
        public = minisign.own(tmp_path / "other.key")[0].public_file()

    assert minisign_says(tmp_path, signature, content, public) != 0


def test_key_is_drawn_once(key: Path) -> None:
    """The other side compares one fingerprint for years."""
    first, drawn = minisign.own(key)
    second, again = minisign.own(key)

    assert (drawn, again, first.fingerprint) == (True, False, second.fingerprint)


def test_key_is_its_owner_s(signer: Signer, key: Path) -> None:
    """Whoever reads it can sign in his name."""
    assert key.stat().st_mode & 0o777 == 0o600


def test_key_that_others_read_is_refused(signer: Signer, key: Path) -> None:
    """They may have signed with it."""
    key.chmod(0o640)

    with pytest.raises(CitadelleError, match="chmod 600"):
        minisign.load(key)


def test_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """One of the cluster's keys has other uses."""
    home = pki_home.issue(tmp_path)

    with pytest.raises(CitadelleError, match="d'une autre sorte"):
        minisign.load(home.pki / "server" / "ca.key")


def test_missing_key_is_told(tmp_path: Path) -> None:
    """A path with a typing mistake does not draw a new key."""
    with pytest.raises(CitadelleError, match="illisible"):
        minisign.load(tmp_path / "absente.key")


def test_fingerprint(signer: Signer) -> None:
    """The start of the SHA-256 of the raw public key, by four: what docs/airgap.md says."""
    digits = hashlib.sha256(signer.public).hexdigest()[:32]

    assert signer.fingerprint.replace(" ", "") == digits
    assert [len(group) for group in signer.fingerprint.split(" ")] == [4] * 8
