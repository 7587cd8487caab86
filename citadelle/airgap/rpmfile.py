"""What an RPM file says of itself, and the proof of it: read without rpm, which Debian lacks.

Layout: a 96-byte lead, the signature header (padded to 8 bytes), the header, the payload. A
signature of the header covers its bytes as they stand in the file, and the header holds the
payload's digest: the two together cover all that dnf will install.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from citadelle.airgap.keys import Keyring
from citadelle.airgap.transport import digest
from citadelle.errors import CitadelleError

_LEAD = 96
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
# rpm itself refuses headers beyond these (lib/header.c): 64 Ki entries, 256 MiB of data.
_MAX_ENTRIES = 0x10000
_MAX_DATA = 256 * 1024 * 1024
_SIGNATURES = (268, 267)  # of the header: RSA; DSA, ECDSA or EdDSA
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_PAYLOAD_DIGEST, _PAYLOAD_ALGORITHM = 5092, 5093
# RFC 4880, 9.4
_HASHES = {8: "sha256", 9: "sha384", 10: "sha512"}
_INT32, _STRING, _BIN, _STRINGS, _I18N = 4, 6, 7, 8, 9


class Header:
    """A tag table and its data."""

    def __init__(self, raw: bytes, entries: int) -> None:
        self.raw = raw
        self._index = {
            tag: (kind, offset, count)
            for tag, kind, offset, count in struct.iter_unpack(">4I", raw[16 : 16 + 16 * entries])
        }
        self._data = raw[16 + 16 * entries :]

    def text(self, tag: int) -> str:
        """Return a text, the first of a list; empty when absent."""
        kind, offset, _ = self._index.get(tag, (0, 0, 0))
        if kind not in (_STRING, _STRINGS, _I18N):
            return ""
        return self._data[offset : self._data.index(b"\0", offset)].decode(errors="replace")

    def number(self, tag: int) -> int:
        """Return a number; 0 when absent."""
        kind, offset, _ = self._index.get(tag, (0, 0, 0))
        return int(struct.unpack_from(">I", self._data, offset)[0]) if kind == _INT32 else 0

    def data(self, tag: int) -> bytes:
        """Return bytes; none when absent."""
        kind, offset, count = self._index.get(tag, (0, 0, 0))
        return self._data[offset : offset + count] if kind == _BIN else b""


@dataclass(frozen=True)
class RpmFile:
    """An RPM file on disk; ``payload`` is where its payload starts, in bytes."""

    path: Path
    signatures: Header
    header: Header
    payload: int

    def identity(self) -> str:
        """Return ``name-epoch:version-release.arch``, as the header says."""
        evr = f"{self.header.number(_EPOCH)}:{self.header.text(_VERSION)}"
        name, release = self.header.text(_NAME), self.header.text(_RELEASE)
        return f"{name}-{evr}-{release}.{self.header.text(_ARCH)}"

    def signer(self, keyring: Keyring) -> str:
        """Return the fingerprint of the pinned key that signed header and payload.

        Raises:
            CitadelleError: unsigned, signed by another key, or not what was signed.
        """
        found = [self.signatures.data(tag) for tag in _SIGNATURES if self.signatures.data(tag)]
        if not found:
            raise CitadelleError("paquet sans signature")
        signer = keyring.signer(found[0], self.header.raw)
        algorithm = _HASHES.get(self.header.number(_PAYLOAD_ALGORITHM))
        if algorithm is None or not self.header.text(_PAYLOAD_DIGEST):
            raise CitadelleError("en-tête signé, mais qui ne couvre pas le contenu du paquet")
        if digest(self.path, algorithm, self.payload) != self.header.text(_PAYLOAD_DIGEST):
            raise CitadelleError("le contenu n'est pas celui que l'en-tête signé annonce")
        return signer


def read(path: Path) -> RpmFile:
    """Return what a file says of itself.

    Raises:
        CitadelleError: it is no RPM package.
    """
    try:
        with path.open("rb") as file:
            if not file.read(_LEAD).startswith(_LEAD_MAGIC):
                raise ValueError
            signatures = _header(file)
            file.seek(-len(signatures.raw) % 8, 1)
            header = _header(file)
            found = RpmFile(path, signatures, header, file.tell())
            found.identity()
            return found
    except (ValueError, struct.error):
        raise CitadelleError(f"{path.name} : ce n'est pas un paquet RPM.") from None


def _header(file: BinaryIO) -> Header:
    start = file.read(16)
    magic, _, entries, size = struct.unpack(">4s4sII", start)
    if magic != _HEADER_MAGIC or entries > _MAX_ENTRIES or size > _MAX_DATA:
        raise ValueError
    rest = file.read(16 * entries + size)
    if len(rest) != 16 * entries + size:
        raise ValueError
    return Header(start + rest, entries)
