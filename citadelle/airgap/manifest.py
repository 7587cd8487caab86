"""MANIFEST.json: every file of a bundle with its digest; the signature covers this one file.

The format is told to operators in docs/airgap.md; ``scripts/airgap-verify`` reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from citadelle.airgap.minisign import Signer
from citadelle.airgap.transport import digest
from citadelle.errors import CitadelleError

FORMAT = 1
NAME, SIGNATURE, PUBLIC = "MANIFEST.json", "MANIFEST.json.minisig", "citadelle.pub"
# What the top-level files are for; a folder is a part of its own name, but for licences.
TOOLS = "tools"
_PART_OF = {"licences": "sbom"}
# Executable is all that a mode may say: the other side sets the owner.
_MODES = {True: "0755", False: "0644"}


@dataclass(frozen=True, order=True)
class Entry:
    """One file of the bundle; the path is relative, with slashes."""

    path: str
    size: int
    sha256: str
    mode: str


@dataclass(frozen=True)
class Origin:
    """What a bundle was made of, and when (UTC)."""

    name: str
    version: str
    commit: str
    created: datetime

    @property
    def moment(self) -> str:
        """Return the moment as it is written: the bundle's only timestamp."""
        return f"{self.created:%Y-%m-%dT%H:%M:%SZ}"


def now() -> datetime:
    """Return this moment, or the one that SOURCE_DATE_EPOCH gives (reproducible-builds.org).

    Raises:
        CitadelleError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now(UTC)
    if not epoch.isdecimal():
        raise CitadelleError(f"SOURCE_DATE_EPOCH={epoch} : un nombre de secondes est attendu.")
    return datetime.fromtimestamp(int(epoch), UTC)


def part_of(path: str) -> str:
    """Return the part that a file belongs to."""
    folder, slash, _ = path.partition("/")
    return _PART_OF.get(folder, folder) if slash else TOOLS


def entries(folder: Path) -> list[Entry]:
    """Describe every file below a folder, the manifest and its signature aside.

    Raises:
        CitadelleError: something else than a plain file, or an empty folder.
    """
    found = sorted(folder.rglob("*"))
    for path in found:
        _require_plain(path)
    proofs = (folder / NAME, folder / SIGNATURE)
    files = [path for path in found if path.is_file() and path not in proofs]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(lambda path: digest(path, "sha256"), files)
        return sorted(
            Entry(
                path.relative_to(folder).as_posix(),
                path.stat().st_size,
                sha256,
                _MODES[os.access(path, os.X_OK)],
            )
            for path, sha256 in zip(files, digests, strict=True)
        )


def _require_plain(path: Path) -> None:
    folder = path.is_dir() and not path.is_symlink()
    if path.is_symlink() or not (folder or path.is_file()) or (folder and not any(path.iterdir())):
        raise CitadelleError(f"{path} : ni fichier ordinaire ni dossier rempli ; retirez-le.")


def parts(found: Collection[Entry], wanted: Collection[str]) -> dict[str, dict[str, int]]:
    """Return how many files and bytes each part has; a wanted part may have none."""
    sizes: dict[str, list[int]] = {part: [] for part in (TOOLS, *wanted)}
    for entry in found:
        sizes.setdefault(part_of(entry.path), []).append(entry.size)
    return {name: {"files": len(of), "bytes": sum(of)} for name, of in sorted(sizes.items())}


def write(
    folder: Path, origin: Origin, signer: Signer, wanted: Collection[str]
) -> Mapping[str, Mapping[str, int]]:
    """Write the public key, the manifest and its signature; return what ``parts`` says."""
    (folder / PUBLIC).write_text(signer.public_file(), encoding="utf-8")
    found = entries(folder)
    counted = parts(found, wanted)
    content = {
        "format": FORMAT,
        "name": origin.name,
        "version": origin.version,
        "commit": origin.commit,
        "created": origin.moment,
        "parts": counted,
        "files": [asdict(entry) for entry in found],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")
    signed = signer.sign(text.encode(), f"citadelle {origin.version} {origin.moment}")
    (folder / SIGNATURE).write_text(signed, encoding="utf-8")
    return counted
