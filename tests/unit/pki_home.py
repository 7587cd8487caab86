"""A home whose certificates are issued, and ways to look at it and to spoil it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from citadelle import inventory, pki
from citadelle.inventory import Certificate
from citadelle.workspace import Home
from tests.unit import factory

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLUSTER = factory.topology()
ALL = inventory.certificates(CLUSTER)


def issue(path: Path) -> Home:
    """Return a home below the path, with every certificate issued at NOW."""
    home = Home(path)
    pki.ensure(home, CLUSTER, NOW)
    return home


def label(spec: Certificate) -> str:
    """Name a certificate, also in pytest's output."""
    return f"{spec.plane}/{spec.name}"


def names(found: list[pki.Issued] | list[pki.Problem]) -> set[str]:
    """Return the certificates that were issued, or that have problems."""
    return {f"{item.plane}/{item.name}" for item in found}


def stored(home: Home, plane: str, name: str) -> x509.Certificate:
    """Read a certificate, without the code under test."""
    return x509.load_pem_x509_certificate((home.pki / plane / f"{name}.crt").read_bytes())


def contents(home: Home) -> dict[Path, tuple[int, bytes]]:
    """Return what changes as soon as a file is written, even with the same bytes."""
    files = [path for path in home.pki.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def copy(home: Home, source: str, target: str) -> None:
    """Put a file in the place of another one."""
    shutil.copy2(home.pki / source, home.pki / target)


def copy_pair(home: Home, source: str, target: str) -> None:
    """Put a certificate and its key in the place of others."""
    for suffix in ("crt", "key"):
        copy(home, f"{source}.{suffix}", f"{target}.{suffix}")
