"""The operator's key pair, and signatures in minisign's format: ``minisign -V`` verifies them.

The format (minisign(1), "Signature format"): an Ed25519 signature of the file's BLAKE2b-512,
and a second one over the first and the trusted comment, so that the comment is proven too.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadelle import files
from citadelle.airgap.transport import writing
from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT

KEY = ROOT / "build" / "airgap" / "citadelle.key"
_PUBLIC, _PREHASHED = b"Ed", b"ED"
# 128 bits: what two people read to each other, and what nobody can make a second key for.
_FINGERPRINT_DIGITS, _GROUP = 32, 4


@dataclass(frozen=True)
class Signer:
    """A private key, and what the other side needs of it."""

    key: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key."""
        return self.key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """Return what is compared out of band: the start of the public key's SHA-256."""
        digits = hashlib.sha256(self.public).hexdigest()[:_FINGERPRINT_DIGITS]
        return " ".join(digits[i : i + _GROUP] for i in range(0, len(digits), _GROUP))

    @property
    def secret(self) -> bytes:
        """Return the 32 private bytes, for those who make sure that they are nowhere."""
        return self.key.private_bytes_raw()

    def public_file(self) -> str:
        """Return the public key's file."""
        return (
            f"untrusted comment: minisign public key {self._shown_identifier()}\n"
            f"{_text(_PUBLIC + self._identifier() + self.public)}\n"
        )

    def sign(self, content: bytes, trusted_comment: str) -> str:
        """Return the signature file of ``content``; both comments fit on one line."""
        signature = self.key.sign(hashlib.blake2b(content).digest())
        over_both = self.key.sign(signature + trusted_comment.encode())
        return (
            f"untrusted comment: signature of key {self._shown_identifier()}\n"
            f"{_text(_PREHASHED + self._identifier() + signature)}\n"
            f"trusted comment: {trusted_comment}\n"
            f"{_text(over_both)}\n"
        )

    def _identifier(self) -> bytes:
        """Return the 8 bytes that name the key: minisign draws them, here the key gives them."""
        return hashlib.sha256(self.public).digest()[:8]

    def _shown_identifier(self) -> str:
        return f"{int.from_bytes(self._identifier(), 'little'):016X}"


def load(path: Path) -> Signer:
    """Return the key of a PEM file, PKCS #8 without a passphrase.

    Raises:
        CitadelleError: it cannot be read, or others than its owner can read it.
    """
    advice = "donnez une clé Ed25519 en PEM sans phrase secrète, mode 0600"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        mode = path.stat().st_mode
    except (OSError, ValueError, TypeError) as error:
        raise CitadelleError(f"Clé {path} illisible ({error}) : {advice}.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise CitadelleError(f"Clé {path} d'une autre sorte : {advice}.")
    if mode & 0o077:
        raise CitadelleError(f"Clé {path} lisible par d'autres : « chmod 600 {path} ».")
    return Signer(key)


def own(path: Path = KEY) -> tuple[Signer, bool]:
    """Return the operator's key, drawn on first use, and whether it was.

    Raises:
        CitadelleError: it cannot be read or written.
    """
    if path.exists():
        return load(path), False
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.replace(path, pem, 0o600)
        signer = load(path)
        path.with_suffix(".pub").write_text(signer.public_file(), encoding="utf-8")
    return signer, True


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
