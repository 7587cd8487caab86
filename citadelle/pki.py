"""Issue, renew and check the certificates of the inventory.

One judgment (:mod:`citadelle.pki_checks`) decides everything: what ``invoke certs`` issues
anew, what ``invoke certs.check`` reports and what stops ``invoke up``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from citadelle import pki_checks, pki_files, x509_policy
from citadelle.errors import CitadelleError
from citadelle.inventory import PLANES, Certificate
from citadelle.pki_checks import Disk, authority_name, first_of_each
from citadelle.pki_files import AUTHORITY, Kind, Problem, Stored
from citadelle.settings import Settings
from citadelle.topology import Topology
from citadelle.workspace import Home
from citadelle.x509_policy import Pair, Validity

__all__ = [
    "Issued",
    "Kind",
    "Problem",
    "Row",
    "ensure",
    "fingerprint",
    "problems",
    "require",
    "rows",
]

ABSENT = "certificats absents : lancez « invoke certs »"
SHOWN_PROBLEMS = 5  # a refusal fits on a screen; `invoke certs.check` lists them all
SHOWN_NAMES = 3


@dataclass(frozen=True)
class Issued:
    """A certificate just written, and why (French)."""

    plane: str
    name: str
    file: str
    reason: str


@dataclass(frozen=True)
class Row:
    """One certificate as ``invoke certs.list`` shows it."""

    plane: str
    name: str
    subject: str
    sans: tuple[str, ...]
    usages: tuple[str, ...]
    expiry: datetime
    days_left: int
    fingerprint: str


def ensure(home: Home, topology: Topology, now: datetime | None = None) -> list[Issued]:
    """Issue what is missing, wrong or due for renewal; leave the rest alone.

    Raises:
        CitadelleError: before anything is written, if an authority cannot serve while
            certificates of its plane are still valid.
    """
    settings = topology.settings
    disk = pki_checks.read(home, topology, now)
    found = pki_checks.judge(disk, settings.cert_renew_days, settings.cert_days)
    due = first_of_each(problem for problem in found if problem.kind is not Kind.OPEN)
    _refuse_to_orphan(home, [p for p in due.values() if p.name == AUTHORITY], disk.now)
    issuer = _Issuer(home, settings, disk, due, _serials(home))
    return [issued for plane in PLANES for issued in issuer.plane(plane)]


def problems(
    home: Home, topology: Topology, days: int, now: datetime | None = None
) -> list[Problem]:
    """Return all that is wrong today or expires within the given number of days."""
    return pki_checks.judge(pki_checks.read(home, topology, now), days, days)


def require(home: Home, topology: Topology, now: datetime | None = None) -> None:
    """Raise CitadelleError unless every certificate can serve right now."""
    found = problems(home, topology, 0, now)
    if not found:
        return
    if all(problem.kind is Kind.MISSING for problem in found):
        raise CitadelleError(f"{ABSENT} ({_shortened([p.file for p in found])})")
    lines = [str(problem) for problem in first_of_each(found).values()]
    more = len(lines) - SHOWN_PROBLEMS
    lines[SHOWN_PROBLEMS:] = [f"… et {more} de plus"] if more > 0 else []
    advice = "Lancez « invoke certs », qui réémet ce qui doit l'être, puis « invoke certs.check »."
    raise CitadelleError("\n".join(["certificats refusés :", *lines, advice]))


def rows(home: Home, topology: Topology, now: datetime | None = None) -> list[Row]:
    """Return every readable certificate, plane by plane, its authority first."""
    disk = pki_checks.read(home, topology, now)
    order = sorted(disk.all, key=lambda stored: PLANES.index(stored.plane))
    return [_row(s, s.certificate, disk.now) for s in order if s.certificate]


def fingerprint(home: Home) -> str:
    """Return what identifies this cluster: its ``server`` authority, which clients trust."""
    return _authority(home, "server")


def authorities(home: Home) -> dict[str, str]:
    """Return what identifies the authority of each plane, by plane."""
    return {plane: _authority(home, plane) for plane in PLANES}


def _authority(home: Home, plane: str) -> str:
    certificate = pki_files.read(home, plane, AUTHORITY).certificate
    if certificate is None:
        raise CitadelleError(ABSENT)
    return _digest(certificate)


def _digest(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()[:16]  # 64 bits: to compare by eye


def _row(stored: Stored, certificate: x509.Certificate, now: datetime) -> Row:
    expiry = certificate.not_valid_after_utc
    return Row(
        stored.plane,
        stored.name,
        x509_policy.subject(certificate),
        x509_policy.alternative_names(certificate),
        x509_policy.usages(certificate),
        expiry,
        (expiry - now).days,
        _digest(certificate),
    )


def _shortened(names: list[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" et {more} de plus" if more > 0 else "")


def _refuse_to_orphan(home: Home, authorities: list[Problem], now: datetime) -> None:
    """Raise CitadelleError if an authority to create anew has valid certificates."""
    refusals = [
        _refusal(home, problem, alive)
        for problem in authorities
        if (alive := _alive(home, problem.plane, now))
    ]
    if refusals:
        raise CitadelleError("\n".join([*refusals, "Rien n'a été écrit."]))


def _alive(home: Home, plane: str, now: datetime) -> list[str]:
    """Return the names of the unexpired certificates of a plane, in the inventory or not."""
    return [
        name
        for name, certificate in pki_files.certificates(home, plane)
        if name != AUTHORITY and now < certificate.not_valid_after_utc
    ]


def _refusal(home: Home, problem: Problem, alive: list[str]) -> str:
    restore = "" if problem.kind is Kind.SOON else "restaurez ce fichier, ou "
    return (
        f"{problem}, alors que des certificats de ce plan sont encore valides "
        f"({_shortened(alive)}) : {restore}déplacez {pki_files.directory(home, problem.plane)} "
        "ailleurs pour renouveler tout le plan, puis relancez « invoke certs »."
    )


def _serials(home: Home) -> set[int]:
    return {c.serial_number for plane in PLANES for _, c in pki_files.certificates(home, plane)}


@dataclass(frozen=True)
class _Issuer:
    """Issues what is due, by plane and name."""

    home: Home
    settings: Settings
    disk: Disk
    due: dict[tuple[str, str], Problem]
    serials: set[int]

    def plane(self, plane: str) -> Iterator[Issued]:
        """Issue what is due on a plane, its authority first."""
        authority = None if (plane, AUTHORITY) in self.due else self.disk.authorities[plane].pair
        if authority is None:
            authority = self._authority(plane)
            yield self._write(plane, AUTHORITY, authority)
        for spec in self.disk.leaves:
            if spec.plane == plane and (plane, spec.name) in self.due:
                yield self._write(plane, spec.name, self._leaf(spec, authority))

    def _authority(self, plane: str) -> Pair:
        name = authority_name(self.settings.cluster_name, plane)
        validity = Validity.of(self.disk.now, self.settings.ca_days)
        return x509_policy.new_authority(name, validity, self._serial())

    def _leaf(self, spec: Certificate, authority: Pair) -> Pair:
        limit = authority.certificate.not_valid_after_utc
        validity = Validity.of(self.disk.now, self.settings.cert_days, limit)
        return x509_policy.new_leaf(spec, authority, validity, self._serial())

    def _serial(self) -> int:
        """Return a serial that no certificate on disk has (RFC 5280, 4.1.2.2), and take it."""
        while (serial := x509.random_serial_number()) in self.serials:
            continue
        self.serials.add(serial)
        return serial

    def _write(self, plane: str, name: str, pair: Pair) -> Issued:
        pki_files.write(self.home, plane, name, pair)
        file = f"{pki_files.directory(self.home, plane)}/{name}.crt"
        return Issued(plane, name, file, self.due[plane, name].reason)
