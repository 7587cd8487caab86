"""The judgment of the certificates on disk: what is missing, wrong, exposed or about to expire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from citadelle import inventory, pki_files, x509_policy
from citadelle.inventory import PLANES, Certificate
from citadelle.pki_files import AUTHORITY, Kind, Problem, Stored
from citadelle.topology import Topology
from citadelle.workspace import Home


@dataclass(frozen=True)
class Disk:
    """What lies on disk at one moment, read once."""

    cluster: str
    now: datetime
    authorities: dict[str, Stored]
    leaves: dict[Certificate, Stored]

    @property
    def all(self) -> tuple[Stored, ...]:
        """Authorities, then the certificates of the inventory."""
        return (*self.authorities.values(), *self.leaves.values())


def read(home: Home, topology: Topology, now: datetime | None = None) -> Disk:
    """Read everything that the inventory lists; ``now`` is for tests."""
    return Disk(
        topology.settings.cluster_name,
        now or datetime.now(UTC),
        {plane: pki_files.read(home, plane, AUTHORITY) for plane in PLANES},
        {c: pki_files.read(home, c.plane, c.name) for c in inventory.certificates(topology)},
    )


def authority_name(cluster: str, plane: str) -> str:
    """Return the CN of a plane's authority: two clusters, two planes never look alike."""
    return f"Citadelle {cluster} {plane}"


def judge(disk: Disk, leaf_days: int, authority_days: int) -> list[Problem]:
    """Return every problem, authorities first, the most telling of each certificate first.

    A certificate that ends within the given number of days is a problem of kind SOON.
    """
    found: list[Problem] = []
    for plane, stored in disk.authorities.items():
        found += _authority(stored, authority_name(disk.cluster, plane))
        found += _dates(stored, disk.now, authority_days)
    for spec, stored in disk.leaves.items():
        found += _leaf(stored, spec, disk.authorities)
        found += _dates(stored, disk.now, leaf_days)
    # A copy over another certificate is wrong already: do not accuse the original.
    wrong = {(p.plane, p.name) for p in found if p.kind is Kind.WRONG}
    return found + list(_serials(s for s in disk.all if (s.plane, s.name) not in wrong))


def first_of_each(problems: Iterable[Problem]) -> dict[tuple[str, str], Problem]:
    """Return the most telling problem of each certificate, by plane and name."""
    first: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.plane, problem.name), problem)
    return first


def _authority(stored: Stored, common_name: str) -> Iterator[Problem]:
    if stored.certificate:
        for difference in x509_policy.authority_differences(stored.certificate, common_name):
            yield stored.problem(difference)
    yield from stored.problems


def _leaf(stored: Stored, spec: Certificate, authorities: dict[str, Stored]) -> Iterator[Problem]:
    if stored.certificate:
        yield from _chain(stored, stored.certificate, authorities)
        for difference in x509_policy.leaf_differences(stored.certificate, spec):
            yield stored.problem(difference)
    yield from stored.problems


def _chain(
    stored: Stored, certificate: x509.Certificate, authorities: dict[str, Stored]
) -> Iterator[Problem]:
    signers = [
        plane
        for plane, authority in authorities.items()
        if authority.certificate and x509_policy.is_issued_by(certificate, authority.certificate)
    ]
    # Without its authority nothing can be said here: that file's absence is reported already.
    if stored.plane in signers or authorities[stored.plane].certificate is None:
        return
    signer = f"par celle du plan « {signers[0]} »" if signers else "par une inconnue"
    yield stored.problem(
        f"n'est pas signé par l'autorité du plan « {stored.plane} », mais {signer}"
    )


def _dates(stored: Stored, now: datetime, days: int) -> Iterator[Problem]:
    if stored.certificate is None:
        return
    start, end = stored.certificate.not_valid_before_utc, stored.certificate.not_valid_after_utc
    if now < start:
        yield stored.problem(
            f"pas encore valide (dès le {start:%Y-%m-%d %H:%M} UTC) : l'horloge est-elle juste ?"
        )
    elif end <= now:
        yield stored.problem(f"expiré depuis le {end:%Y-%m-%d}")
    elif end <= now + timedelta(days=days):
        left = (end - now).days
        yield stored.problem(f"expire le {end:%Y-%m-%d} (dans {left} j)", Kind.SOON)


def _serials(sound: Iterable[Stored]) -> Iterator[Problem]:
    """Yield the certificates whose serial already names another one, whatever the plane."""
    first: dict[int, Stored] = {}
    for stored in sound:
        if stored.certificate is None:
            continue
        other = first.setdefault(stored.certificate.serial_number, stored)
        if other is not stored:
            yield stored.problem(f"même numéro de série que {other.base}.crt")
