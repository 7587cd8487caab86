"""Certificates and keys on the operator's disk: ``build/pki/<plane>/<name>.crt`` and ``.key``.

An interruption leaves the old file or the new one, never a half (:mod:`citadelle.files`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from citadelle import files, x509_policy
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from citadelle.x509_policy import Pair

AUTHORITY = "ca"  # the name of each plane's authority; no certificate of the inventory has it

T = TypeVar("T")


class Kind(StrEnum):
    """What a problem asks for."""

    MISSING = "absent"  # to be issued
    WRONG = "refusé"  # to be issued anew
    OPEN = "exposé"  # an operator's decision: who has read that key?
    SOON = "échéance"  # valid today


@dataclass(frozen=True)
class Problem:
    """What is not as it must be: ``file`` is seen from the home, ``reason`` is French."""

    plane: str
    name: str
    file: str
    reason: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.file} : {self.reason}"


@dataclass(frozen=True)
class Stored:
    """One certificate and its key as found on disk; what cannot be used is None."""

    plane: str
    name: str
    base: str
    certificate: x509.Certificate | None
    key: ec.EllipticCurvePrivateKey | None
    problems: tuple[Problem, ...]

    def problem(self, reason: str, kind: Kind = Kind.WRONG) -> Problem:
        """Return a problem of the certificate."""
        return Problem(self.plane, self.name, f"{self.base}.crt", reason, kind)

    @property
    def pair(self) -> Pair | None:
        """The certificate with its key, when both are there."""
        if self.certificate and self.key:
            return Pair(self.certificate, self.key)
        return None


class _UnusableError(Exception):
    """A file that cannot serve: its kind of problem and the French reason."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def directory(home: Home, plane: str) -> str:
    """Return where a plane lies, seen from the home."""
    return str((home.pki / plane).relative_to(home.path))


def read(home: Home, plane: str, name: str) -> Stored:
    """Return what lies on disk under a name, with the problems of the files themselves."""
    base = home.pki / plane / name
    found: list[Problem] = []

    def attempt(suffix: str, load: Callable[[Path], T]) -> T | None:
        path = base.with_name(f"{name}.{suffix}")
        try:
            return load(path)
        except _UnusableError as fault:
            file = str(path.relative_to(home.path))
            found.append(Problem(plane, name, file, fault.reason, fault.kind))
            return None

    certificate = attempt("crt", _certificate)
    key = attempt("key", _key)
    if key:
        attempt("key", _check_mode)
    if certificate and key and key.public_key() != certificate.public_key():
        key = attempt("key", _mismatch)
    where = str(base.relative_to(home.path))
    return Stored(plane, name, where, certificate, key, tuple(found))


def certificates(home: Home, plane: str) -> Iterator[tuple[str, x509.Certificate]]:
    """Yield every readable certificate of a plane by name, in the inventory or not."""
    for path in sorted((home.pki / plane).glob("*.crt")):
        try:
            yield path.name.removesuffix(".crt"), _certificate(path)
        except _UnusableError:
            continue


def write(home: Home, plane: str, name: str, pair: Pair) -> None:
    """Write a key, then its certificate: interrupted in between, they do not match.

    Such a mismatch is seen and repaired by the next run.
    """
    key = pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),  # components start unattended
    )
    certificate = pair.certificate.public_bytes(serialization.Encoding.PEM)
    folder = home.pki / plane
    try:
        for private in (home.pki, folder):
            private.mkdir(parents=True, exist_ok=True)
            private.chmod(0o700)
        files.replace(folder / f"{name}.key", key, 0o600)
        files.replace(folder / f"{name}.crt", certificate, 0o644)
    except OSError as error:
        where = directory(home, plane)
        raise CitadelleError(
            f"{where} : écriture impossible ({error.strerror}). "
            "Vérifiez le propriétaire et la place sur le disque, puis relancez « invoke certs »."
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _UnusableError(Kind.MISSING, "absent") from None
    except OSError as error:
        raise _UnusableError(Kind.WRONG, f"illisible ({error.strerror})") from error


def _certificate(path: Path) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(_bytes(path))
        # These are decoded when asked for: do it here, where a failure has a place to go.
        _ = certificate.subject, certificate.extensions, certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableError(Kind.WRONG, "illisible (certificat PEM attendu)") from None
    return certificate


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_bytes(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _UnusableError(Kind.WRONG, "illisible (clé PEM sans phrase attendue)") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(
        key.curve, x509_policy.CURVE
    ):
        raise _UnusableError(Kind.WRONG, "n'est pas une clé P-256")
    return key


def _check_mode(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise _UnusableError(
            Kind.OPEN,
            f"clé lisible par d'autres (droits {mode:04o}) : « chmod 600 », "
            "et remplacez-la si quelqu'un a pu la lire",
        )


def _mismatch(path: Path) -> ec.EllipticCurvePrivateKey:
    raise _UnusableError(Kind.WRONG, f"ne correspond pas à {path.with_suffix('.crt').name}")
