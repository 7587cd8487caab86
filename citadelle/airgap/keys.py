"""Signing keys: only those whose fingerprint depots.yml pins, checked with gpgv."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from citadelle.airgap.repositories import Key
from citadelle.airgap.transport import Transport
from citadelle.errors import CitadelleError

# RFC 4880, 9.4: MD5, SHA-1 and RIPEMD-160 no longer prove anything.
WEAK_HASHES = ("1", "2", "3")
# GnuPG's doc/DETAILS: where VALIDSIG has the hash algorithm and the primary key's fingerprint.
_HASH, _PRIMARY = 7, 9
# Reading a key or a signature is a matter of milliseconds.
_SECONDS = 60


@dataclass(frozen=True)
class Keyring:
    """A pinned key on disk: for gpgv, and ``armored`` for dnf on the other side."""

    key: Key
    binary: Path
    armored: Path

    def signer(self, signature: bytes, data: bytes) -> str:
        """Return the fingerprint of the pinned key that signed ``data``.

        Like rpm, gpgv accepts what a key signed before it expired.

        Raises:
            CitadelleError: no valid signature of this key. The caller says of what.
        """
        with tempfile.NamedTemporaryFile() as file:
            file.write(signature)
            file.flush()
            argv = ["gpgv", "--homedir", str(self.binary.parent), "--status-fd", "1"]
            argv += ["--keyring", str(self.binary), file.name, "-"]
            result = subprocess.run(
                argv, input=data, capture_output=True, check=False, timeout=_SECONDS
            )
        status = _status(result.stdout)
        valid = status.get("VALIDSIG", [])
        primary = valid[_PRIMARY] if len(valid) > _PRIMARY else ""
        if result.returncode or primary not in self.key.fingerprints:
            raise CitadelleError(_reason(status, self.key))
        if valid[_HASH] in WEAK_HASHES:
            raise CitadelleError("signature sur une empreinte trop faible (MD5, SHA-1, RIPEMD-160)")
        return primary


def load(key: Key, transport: Transport, folder: Path) -> Keyring:
    """Fetch a key and keep, in ``folder``, what its pinned fingerprints name and nothing else.

    Raises:
        CitadelleError: GnuPG is missing, the key is unreachable, or a fingerprint is not in it.
    """
    for program in ("gpg", "gpgv"):
        if shutil.which(program) is None:
            raise CitadelleError(
                f"{program} manque pour vérifier les signatures : installez gnupg (Debian, "
                "Ubuntu) ou gnupg2 (famille RHEL)."
            )
    data = transport.small(key.source)
    folder.mkdir(parents=True, exist_ok=True)
    ring = Keyring(key, folder / f"{key.name}.gpg", folder / f"RPM-GPG-KEY-{key.name}")
    with tempfile.TemporaryDirectory() as home:
        _gpg(home, "--import", data=data)
        held = _fingerprints(_gpg(home, "--with-colons", "--list-keys").decode())
        missing = set(key.fingerprints) - set(held)
        if missing:
            raise CitadelleError(
                f"Clé {key.name} ({key.source}) : empreinte attendue {', '.join(sorted(missing))}, "
                f"trouvée {', '.join(held) or 'aucune'}. Refusée : comparez avec l'empreinte "
                "publiée par l'éditeur, sur un autre canal, avant de changer depots.yml."
            )
        ring.binary.write_bytes(_gpg(home, "--export", *key.fingerprints))
        ring.armored.write_bytes(_gpg(home, "--armor", "--export", *key.fingerprints))
    return ring


def _gpg(home: str, *argv: str, data: bytes = b"") -> bytes:
    """Run gpg in a home of its own; what counts is looked at afterwards, not its exit code.

    A file that also holds a key of a newer format (Rocky 10's) makes an import "fail".
    """
    full = ["gpg", "--homedir", home, "--batch", "--no-tty", "--quiet", *argv]
    return subprocess.run(
        full, input=data, capture_output=True, check=False, timeout=_SECONDS
    ).stdout


def _fingerprints(listing: str) -> list[str]:
    """Return the fingerprint that follows each primary key."""
    rows = [line.split(":") for line in listing.splitlines()]
    after = itertools.pairwise(rows)
    return [row[9] for before, row in after if before[0] == "pub" and row[0] == "fpr"]


def _status(output: bytes) -> dict[str, list[str]]:
    rows = [line.split() for line in output.decode(errors="replace").splitlines()]
    return {row[1]: row[2:] for row in rows if len(row) > 1 and row[0] == "[GNUPG:]"}


def _reason(status: dict[str, list[str]], key: Key) -> str:
    if "BADSIG" in status:
        return f"signature fausse : le contenu a changé depuis que la clé {key.name} l'a signé"
    if "NO_PUBKEY" in status or "ERRSIG" in status:
        other = (status.get("NO_PUBKEY") or status["ERRSIG"])[0]
        return f"signé par la clé {other}, qui n'est pas la clé épinglée {key.name}"
    return f"pas de signature valide de la clé {key.name}"
