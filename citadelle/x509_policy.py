"""What a certificate of the cluster is: how it is built, and how a found one is judged.

One list of extensions per kind of certificate serves both, so that what is issued and what is
checked cannot drift apart. Nothing here touches the disk. RFC numbers: RFC 5280 (profile).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from citadelle.inventory import Certificate

# A container whose clock is a little late must accept a certificate just issued.
CLOCK_SKEW = timedelta(minutes=5)
CURVE = ec.SECP256R1  # P-256: every component takes it, and so does FIPS 186-5

# RFC 5280, 4.2.1.3.
KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
USAGES = {ExtendedKeyUsageOID.SERVER_AUTH: "serveur", ExtendedKeyUsageOID.CLIENT_AUTH: "client"}
LABELS: dict[type[x509.ExtensionType], str] = {
    x509.SubjectAlternativeName: "noms (SAN)",
    x509.ExtendedKeyUsage: "usages (EKU)",
    x509.KeyUsage: "usage de la clé",
    x509.BasicConstraints: "contraintes",
}

Extensions = tuple[tuple[x509.ExtensionType, bool], ...]  # each with its criticality


@dataclass(frozen=True)
class Pair:
    """A certificate and the private key of the public key that it carries."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Validity:
    """When a certificate starts and ends; it starts a little early (CLOCK_SKEW)."""

    start: datetime
    end: datetime

    @classmethod
    def of(cls, now: datetime, days: int, limit: datetime | None = None) -> Validity:
        """Return ``days`` from now, never past the limit: an authority's own end."""
        end = now + timedelta(days=days)
        return cls(now - CLOCK_SKEW, min(end, limit) if limit else end)


def new_authority(common_name: str, validity: Validity, serial: int) -> Pair:
    """Return a new self-signed authority."""
    key = ec.generate_private_key(CURVE())
    builder = _builder(_name(common_name), key, validity, serial, _authority_extensions())
    return Pair(builder.issuer_name(_name(common_name)).sign(key, hashes.SHA256()), key)


def new_leaf(spec: Certificate, authority: Pair, validity: Validity, serial: int) -> Pair:
    """Return a new key with its certificate, signed by the authority.

    The authority's key identifier is copied from its certificate (RFC 5280, 4.2.1.1).
    """
    key = ec.generate_private_key(CURVE())
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(spec.common_name), key, validity, serial, _leaf_extensions(spec))
        .issuer_name(issuer.subject)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    )
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def authority_differences(certificate: x509.Certificate, common_name: str) -> Iterator[str]:
    """Yield, in French, what in the certificate is not this authority's."""
    if not is_issued_by(certificate, certificate):
        yield "n'est pas signé par lui-même"
    yield from _differences(certificate, _name(common_name), _authority_extensions())


def leaf_differences(certificate: x509.Certificate, spec: Certificate) -> Iterator[str]:
    """Yield, in French, what in the certificate differs from the inventory."""
    yield from _differences(certificate, _name(spec.common_name), _leaf_extensions(spec))


def is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Tell whether the authority's name and key signed the certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):  # other name, other algorithm, other key
        return False
    return True


def subject(certificate: x509.Certificate) -> str:
    """Return the subject as text, « (vide) » for none."""
    return certificate.subject.rfc4514_string() or "(vide)"


def alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names and addresses that the certificate is for."""
    found = _find(certificate, x509.SubjectAlternativeName)
    return _words(found[0]) if found else ()


def usages(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return « autorité », or which sides of TLS the certificate may take."""
    constraints = _find(certificate, x509.BasicConstraints)
    if constraints and constraints[0] == x509.BasicConstraints(ca=True, path_length=0):
        return ("autorité",)
    found = _find(certificate, x509.ExtendedKeyUsage)
    return _words(found[0]) if found else ()


def _name(common_name: str) -> x509.Name:
    """Return a subject made of one CN, or none at all: an empty CN is still a CN."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    validity: Validity,
    serial: int,
    extensions: Extensions,
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(validity.start)
        .not_valid_after(validity.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder


def _authority_extensions() -> Extensions:
    """RFC 5280, 4.2.1.9: path length 0, it signs certificates of ends, no other authority."""
    return (
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage("key_cert_sign", "crl_sign"), True),
    )


def _leaf_extensions(spec: Certificate) -> Extensions:
    """RFC 5280, 4.2.1.6: without a subject, the names are critical; with one, they are not."""
    sides = zip((spec.server, spec.client), USAGES, strict=True)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(set(spec.dns))]
    names += [x509.IPAddress(ip_address(ip)) for ip in sorted(set(spec.ips))]
    return (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage("digital_signature"), True),  # all that an ECDSA key does in TLS
        (x509.ExtendedKeyUsage([usage for wanted, usage in sides if wanted]), False),
        (x509.SubjectAlternativeName(names), not spec.common_name),
    )


def _key_usage(*granted: str) -> x509.KeyUsage:
    bits = {usage: usage in granted for usage in KEY_USAGES}
    return x509.KeyUsage(**bits, encipher_only=False, decipher_only=False)


def _differences(
    certificate: x509.Certificate, subject_name: x509.Name, extensions: Extensions
) -> Iterator[str]:
    if certificate.subject != subject_name:
        wanted = subject_name.rfc4514_string() or "(vide)"
        yield f"sujet « {subject(certificate)} », attendu « {wanted} »"
    for value, critical in extensions:
        found = _find(certificate, type(value))
        if found != (value, critical):
            shown = _text(*found) if found else "(absent)"
            yield f"{LABELS[type(value)]} « {shown} », attendu « {_text(value, critical)} »"


def _find(
    certificate: x509.Certificate, kind: type[x509.ExtensionType]
) -> tuple[x509.ExtensionType, bool] | None:
    for extension in certificate.extensions:
        if isinstance(extension.value, kind):
            return extension.value, extension.critical
    return None


def _text(value: x509.ExtensionType, critical: bool) -> str:
    return ", ".join(_words(value)) + (" [critique]" if critical else "")


def _words(value: x509.ExtensionType) -> tuple[str, ...]:
    """Return what an extension says, for a human."""
    match value:
        case x509.SubjectAlternativeName():
            return tuple(str(name.value) for name in value)
        case x509.ExtendedKeyUsage():
            return tuple(USAGES.get(oid, oid.dotted_string) for oid in value)
        case x509.KeyUsage():
            return tuple(usage for usage in KEY_USAGES if getattr(value, usage))
        case x509.BasicConstraints():
            return ("autorité" if value.ca else "feuille", f"profondeur {value.path_length}")
        case _:
            return ()
