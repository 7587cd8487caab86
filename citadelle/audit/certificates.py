"""The certificates on the operator's disk: keys, dates, planes and serials."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from citadelle import pki_checks, x509_policy
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import judged, once
from citadelle.inventory import PLANES
from citadelle.pki_checks import Disk
from citadelle.pki_files import AUTHORITY, Stored, certificates

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700
CHECK = "invoke certs.check"
LIST = "invoke certs.list"


@once
def _disk(cluster: Cluster) -> Disk:
    return pki_checks.read(cluster.home, cluster.topology)


def _certificates(cluster: Cluster) -> list[tuple[Stored, x509.Certificate]]:
    return [(s, s.certificate) for s in _disk(cluster).all if s.certificate]


def _sound(cluster: Cluster) -> Finding:
    """Chains, names, usages and dates: the very judgment that ``invoke up`` obeys."""
    found = pki_checks.judge(_disk(cluster), 0, 0)
    good = f"{len(_certificates(cluster))} certificats : chaîne, noms, usages et dates conformes"
    return judged(map(str, found), good, CHECK)


def _algorithms(cluster: Cluster) -> Finding:
    def faults() -> Iterator[str]:
        for stored, certificate in _certificates(cluster):
            key = certificate.public_key()
            curve = key.curve if isinstance(key, ec.EllipticCurvePublicKey) else None
            if not isinstance(curve, x509_policy.CURVE):
                yield f"{stored.base}.crt : clé autre que P-256"
            if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256):
                yield f"{stored.base}.crt : signature autre que SHA-256"

    good = f"{len(_certificates(cluster))} certificats : clés P-256, signatures ECDSA et SHA-256"
    return judged(faults(), good, _openssl(cluster))


def _openssl(cluster: Cluster) -> str:
    folder = cluster.home.pki.relative_to(cluster.home.path)
    return f"openssl x509 -noout -text -in {folder}/server/pg1.crt"


def _short(cluster: Cluster) -> Finding:
    most = cluster.topology.settings.cert_days
    now = datetime.now(UTC)
    leaves = [(s, c) for s, c in _certificates(cluster) if s.name != AUTHORITY]

    def faults() -> Iterator[str]:
        for stored, certificate in leaves:
            life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
            if (life - x509_policy.CLOCK_SKEW).days > most:
                yield f"{stored.base}.crt : {life.days} jours"

    ends = [(certificate.not_valid_after_utc - now).days for _, certificate in leaves]
    good = f"{len(leaves)} certificats d'au plus {most} jours ; il en reste {min(ends, default=0)}"
    return judged(faults(), good, LIST)


def _private_keys(cluster: Cluster) -> Finding:
    pki = cluster.home.pki

    def faults() -> Iterator[str]:
        for folder in (pki, *(pki / plane for plane in PLANES)):
            if stat.S_IMODE(folder.stat().st_mode) != PRIVATE_DIRECTORY:
                yield f"{folder.relative_to(cluster.home.path)} : répertoire ouvert"
        for key in pki.glob("*/*.key"):
            if stat.S_IMODE(key.stat().st_mode) != PRIVATE_FILE:
                yield f"{key.relative_to(cluster.home.path)} : clé ouverte"

    where = pki.relative_to(cluster.home.path)
    good = f"{len(list(pki.glob('*/*.key')))} clés en mode 600, répertoires en 700"
    return judged(faults(), good, f"find {where} -name '*.key' -printf '%m %p\\n'")


def _planes(cluster: Cluster) -> Finding:
    stored_authorities = _disk(cluster).authorities.items()
    authorities = {plane: s.certificate for plane, s in stored_authorities if s.certificate}

    def faults() -> Iterator[str]:
        keys = {authority.fingerprint(hashes.SHA256()) for authority in authorities.values()}
        if len(keys) != len(PLANES):
            yield f"{len(keys)} autorités distinctes pour {len(PLANES)} plans"
        for stored, certificate in _certificates(cluster):
            for plane, authority in authorities.items():
                foreign = plane != stored.plane
                if foreign and x509_policy.is_issued_by(certificate, authority):
                    yield f"{stored.base}.crt : signé par l'autorité « {plane} »"

    good = f"{len(PLANES)} autorités, aucune ne signe pour un autre plan"
    return judged(faults(), good, LIST)


def _serials(cluster: Cluster) -> Finding:
    found: dict[int, str] = {}
    faults = []
    for plane in PLANES:
        for name, certificate in certificates(cluster.home, plane):
            other = found.setdefault(certificate.serial_number, f"{plane}/{name}")
            if other != f"{plane}/{name}":
                faults.append(f"{plane}/{name} : même numéro de série que {other}")
    good = f"{len(found)} numéros de série, tous différents, tous plans confondus"
    return judged(faults, good, LIST)


def _no_login(cluster: Cluster) -> Finding:
    """Etcd takes a client's CN for a user without a password (etcd 3.5, AuthInfoFromTLS)."""
    faults = [
        f"dcs-client/{name} : sujet {x509_policy.subject(certificate)}"
        for name, certificate in certificates(cluster.home, "dcs-client")
        if name != AUTHORITY and certificate.subject.rdns
    ]
    return judged(faults, "plan dcs-client : aucun certificat ne porte de CN", LIST)


CONTROLS = (
    Control("CE-01", "Certificats conformes à l'inventaire", (), _sound),
    Control("CE-02", "Clés P-256 et SHA-256", (), _algorithms),
    Control("CE-03", "Certificats de courte durée", (), _short),
    Control("CE-04", "Clés privées illisibles aux autres comptes", (), _private_keys),
    Control("CE-05", "Une autorité par plan", (), _planes),
    Control("CE-06", "Numéros de série uniques", ("RFC 5280, 4.1.2.2",), _serials),
    Control("CE-07", "Aucun certificat ne vaut connexion à etcd", (), _no_login),
)
