"""The manifest: every file, its part, its digest, one moment."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from citadelle.airgap import manifest, minisign
from citadelle.airgap.manifest import Origin
from citadelle.airgap.minisign import Signer
from citadelle.errors import CitadelleError

ORIGIN = Origin("citadelle-1-x86_64", "1", "c" * 40, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
FILES = {"airgap-verify": b"v", "images/images.tar": b"im", "licences/LICENSE": b"lic"}


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """The operator's key."""
    return minisign.own(tmp_path / "key" / "citadelle.key")[0]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A small bundle, not yet signed."""
    folder = tmp_path / "bundle"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "airgap-verify").chmod(0o755)
    return folder


def written(bundle: Path, signer: Signer, *wanted: str) -> dict[str, Any]:
    """Write the manifest and return it."""
    manifest.write(bundle, ORIGIN, signer, wanted)
    found: dict[str, Any] = json.loads((bundle / manifest.NAME).read_text())
    return found


def test_every_file_is_there(bundle: Path, signer: Signer) -> None:
    """But for the manifest and its signature, sorted by path."""
    paths = [row["path"] for row in written(bundle, signer)["files"]]

    assert paths == sorted([*FILES, manifest.PUBLIC])


def test_rows(bundle: Path, signer: Signer) -> None:
    """Size, digest, mode."""
    (row,) = (r for r in written(bundle, signer)["files"] if r["path"] == "airgap-verify")

    assert row["size"] == 1
    assert row["sha256"] == hashlib.sha256(b"v").hexdigest()
    assert row["mode"] == "0755"


def test_parts(bundle: Path, signer: Signer) -> None:
    """Licences go with the inventory; a part that is wanted and empty says so."""
    parts = written(bundle, signer, "images", "rpms", "sbom")["parts"]

    assert parts["images"] == {"files": 1, "bytes": 2}
    assert parts["sbom"] == {"files": 1, "bytes": 3}
    assert parts["rpms"] == {"files": 0, "bytes": 0}
    assert parts["tools"]["files"] == 2  # the program and the public key


def test_moment(bundle: Path, signer: Signer) -> None:
    """The only timestamp, in UTC."""
    assert written(bundle, signer)["created"] == "2026-01-02T03:04:05Z"


def test_second_writing_is_the_same(bundle: Path, signer: Signer) -> None:
    """Neither the first manifest nor its signature is listed in the second."""
    written(bundle, signer)
    first = [(bundle / name).read_bytes() for name in (manifest.NAME, manifest.SIGNATURE)]
    written(bundle, signer)

    assert first == [(bundle / name).read_bytes() for name in (manifest.NAME, manifest.SIGNATURE)]


def test_link_is_refused(bundle: Path, signer: Signer) -> None:
    """It would lead the other side anywhere."""
    (bundle / "lien").symlink_to("/etc/passwd")

    with pytest.raises(CitadelleError, match="ni fichier ordinaire"):
        written(bundle, signer)


def test_empty_folder_is_refused(bundle: Path, signer: Signer) -> None:
    """No manifest lists it: an archive would have it and a copy might not."""
    (bundle / "vide").mkdir()

    with pytest.raises(CitadelleError, match="ni fichier ordinaire"):
        written(bundle, signer)


def test_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment that reproducible builds ask for."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")

    assert manifest.now() == datetime(1970, 1, 1, tzinfo=UTC)


def test_wrong_epoch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date instead of seconds."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "2026-01-01")

    with pytest.raises(CitadelleError, match="SOURCE_DATE_EPOCH"):
        manifest.now()
