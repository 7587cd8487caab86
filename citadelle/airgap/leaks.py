"""Nothing secret leaves: every file of a bundle is searched before the bundle has its name."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

from citadelle.airgap.minisign import Signer
from citadelle.audit import haystacks
from citadelle.audit.haystacks import Haystack
from citadelle.errors import CitadelleError
from citadelle.topology import Topology
from citadelle.workspace import Home

# Others' archives, compressed, each proven by its publisher's digest: no secret of ours.
OTHERS = (".whl", ".deb", ".rpm")
# A PEM block with something in it; a program that writes such blocks holds the first line alone.
_BLOCK = re.compile(rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[\r\n]+[A-Za-z0-9+/=]{32}")
_LONGEST = 128  # bytes: more than the pattern matches
# Private keys that everyone has, in Debian's own files: GnuTLS tests itself with them when it
# starts (FIPS 140). The cluster's keys are searched there as everywhere.
_PUBLIC_KEYS = ("images/images.tar:layers/*.tar:usr/lib/*/libgnutls.so.*",)


def needles(topology: Topology, home: Home, signer: Signer) -> dict[bytes, str]:
    """Return every form of what must not leave: secrets of ``.env``, private keys, this one."""
    secret = signer.secret
    # Not as raw bytes: grep takes a newline among them for the end of a needle.
    signing = {*haystacks.base64_forms(secret), secret.hex().encode()}
    return {
        **haystacks.of_settings(topology.settings),
        **haystacks.of_keys(home),
        **dict.fromkeys(signing, "clé de signature"),
    }


def require_none(folder: Path, what: Mapping[bytes, str]) -> haystacks.Result:
    """Search every file, archives' members by name; return how much was read.

    Raises:
        CitadelleError: naming what was found and where, never its value.
    """
    blocks: list[str] = []
    found = haystacks.search(_noting_blocks(_everything(folder), blocks), what)
    faults = [*map(str, found.hits), *(f"clé privée trouvée dans {place}" for place in blocks)]
    if faults:
        raise CitadelleError(
            f"Rien n'est livré : {' ; '.join(faults[:3])} ({len(faults)} en tout). Retirez-les de "
            "ce qui est exporté (dépôt, docker/, dist/rpms), puis relancez."
        )
    return found


def _everything(folder: Path) -> Iterator[Haystack]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in OTHERS:
            with path.open("rb") as file:
                yield from _opened(path.relative_to(folder).as_posix(), file)


def _opened(name: str, file: IO[bytes]) -> Iterator[Haystack]:
    """Yield a file, or what a tar file holds, down to the files of an image's layers."""
    if not name.endswith(".tar"):
        yield name, haystacks.plain(file)
        return
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield from _opened(f"{name}:{member.name}", content)


def _noting_blocks(places: Iterable[Haystack], found: list[str]) -> Iterator[Haystack]:
    for place, content in places:
        known = any(fnmatch(place, pattern) for pattern in _PUBLIC_KEYS)
        yield place, content if known else _watched(place, content, found)


def _watched(place: str, content: Iterable[bytes], found: list[str]) -> Iterator[bytes]:
    """Pass the blocks on; note the place once if a private key goes by, even across two."""
    before = b""
    for block in content:
        if place not in found and _has_key(before + block):
            found.append(place)
        before = (before + block)[-_LONGEST:]
        yield block


def _has_key(window: bytes) -> bool:
    # The plain search is a hundred times faster than the pattern.
    return b"PRIVATE KEY-----" in window and _BLOCK.search(window) is not None
