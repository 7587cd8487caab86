"""Every door that speaks TLS, tried live: versions, suites, certificates, clear text, ports."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding

from citadelle.audit import probes
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.probes import Entrance
from citadelle.audit.reads import everywhere, inside_command, judged, once
from citadelle.doors import DOORS, NODES, Demand, Protocol
from citadelle.inventory import PLANES
from citadelle.pki_files import certificates
from citadelle.topology import ETCD

ANSSI = "ANSSI SDE-NT-35 v1.2, "
# TLS 1.3's suites with AEAD (RFC 8446, B.4), without the two for tiny devices.
SUITES = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
}
# One certificate of each plane that a door asks for: at another's, who shows it is a stranger.
STRANGERS = tuple(
    shown for door in DOORS if door.demand is Demand.REQUIRED and (shown := probes.own(door))
)
# What a node also listens on inside, where no network leads: it is no door.
LOOPBACK = {
    "etcd": ("etcd_client_port",),
    "pg": ("pg_port", "patroni_rest_port"),
    "pgbouncer": ("pgbouncer_port",),
}


@once
def _negotiated(cluster: Cluster, entrance: Entrance) -> tuple[str, str, bytes]:
    """Return the version, the suite and the certificate (DER) that a door gives."""
    tls = probes.context(cluster, entrance.door, probes.own(entrance.door))
    with probes.session(entrance, tls) as found:
        suite = cast("tuple[str, str, int]", found.cipher())[0]
        return str(found.version()), suite, found.getpeercert(binary_form=True) or b""


def _old(cluster: Cluster, entrance: Entrance) -> ssl.SSLContext:
    """Return a context that offers all that is older than 1.3, and nothing newer."""
    tls = probes.context(cluster, entrance.door, probes.own(entrance.door))
    tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL's level 1 would not offer 1.0 and 1.1.
    tls.set_ciphers("ALL:@SECLEVEL=0")
    return tls


def _all(cluster: Cluster) -> tuple[Entrance, ...]:
    return probes.entrances(cluster.topology)


def _command(cluster: Cluster, option: str) -> str:
    """Return how an auditor does one of these handshakes at the first door."""
    first = _all(cluster)[0]
    return probes.tls_command(cluster, first, option, probes.own(first.door))


def _modern(cluster: Cluster) -> Finding:
    seen = {entrance: _negotiated(cluster, entrance)[:2] for entrance in _all(cluster)}
    faults = [
        f"{entrance} : {version}, {suite}"
        for entrance, (version, suite) in seen.items()
        if version != "TLSv1.3" or suite not in SUITES
    ]
    suites = ", ".join(sorted({suite for _, suite in seen.values()}))
    good = f"{len(seen)} portes : TLSv1.3 ; suites négociées : {suites}"
    return judged(faults, good, _command(cluster, "-tls1_3"))


def _no_downgrade(cluster: Cluster) -> Finding:
    found = {
        entrance: probes.refusal(entrance, _old(cluster, entrance)) for entrance in _all(cluster)
    }
    faults = [
        f"{entrance} : {reason or 'accepté'}"
        for entrance, reason in found.items()
        if "PROTOCOL_VERSION" not in reason
    ]
    good = f"{len(found)} portes : TLS 1.2 et antérieurs refusés (alerte protocol_version)"
    return judged(faults, good, _command(cluster, "-tls1_2"))


def _without_certificate(cluster: Cluster) -> Finding:
    found = probes.mutual(cluster.topology)
    contexts = {entrance: probes.context(cluster, entrance.door, None) for entrance in found}
    good = f"{len(found)} portes internes : alerte certificate_required"
    command = probes.tls_command(cluster, found[0], "-tls1_3", None)
    return judged(_taken(contexts, "REQUIRED"), good, command)


def _other_planes(cluster: Cluster) -> Finding:
    found = probes.mutual(cluster.topology)
    faults: list[str] = []
    for shown in STRANGERS:
        elsewhere = [e for e in found if e.door.client_plane != shown[0]]
        contexts = {
            entrance: probes.context(cluster, entrance.door, shown) for entrance in elsewhere
        }
        faults += _taken(contexts, "UNKNOWN_CA|BAD_CERTIFICATE")
    good = f"{len(found)} portes × certificats des autres plans : tous refusés par une alerte TLS"
    stranger = next(shown for shown in STRANGERS if shown[0] != found[0].door.client_plane)
    return judged(faults, good, probes.tls_command(cluster, found[0], "-tls1_3", stranger))


def _taken(contexts: dict[Entrance, ssl.SSLContext], reasons: str) -> Iterator[str]:
    """Yield the doors that did not refuse for one of these reasons."""
    for entrance, tls in contexts.items():
        said = probes.refusal(entrance, tls)
        if not any(reason in said for reason in reasons.split("|")):
            yield f"{entrance} : {said or 'accepté'}"


def _served(cluster: Cluster) -> Finding:
    inventory = {
        (plane, name): certificate.public_bytes(Encoding.DER)
        for plane in PLANES
        for name, certificate in certificates(cluster.home, plane)
    }

    def faults() -> Iterator[str]:
        for entrance in _all(cluster):
            door, served = entrance.door, _negotiated(cluster, entrance)[2]
            wanted = [(door.server_plane, name) for name in door.shows(entrance.place.node)]
            if served not in map(inventory.get, wanted):
                yield f"{entrance} : certificat autre que celui de l'inventaire"

    good = f"{len(_all(cluster))} portes : celui de l'inventaire, vérifié"
    return judged(faults(), good, _command(cluster, "-tls1_3 -showcerts"))


def _clear(cluster: Cluster) -> Finding:
    found = [e for e in _all(cluster) if e.door.protocol is Protocol.TLS]

    def faults() -> Iterator[str]:
        for entrance in found:
            place = entrance.place
            answer = probes.answer_in_clear(place.host, place.port, probes.HTTP_REQUEST)
            # etcd may say in clear that it wants TLS: an error, not a service.
            if answer and b" 400 " not in answer.partition(b"\r\n")[0]:
                yield f"{entrance} : réponse en clair"

    place = found[0].place
    good = "etcd, API REST, tunnels, administration : une requête en clair n'a pas de réponse"
    return judged(faults(), good, f"curl --include http://{place.host}:{place.port}/version")


def _ports(cluster: Cluster) -> Finding:
    wanted = expected_ports(cluster)

    def faults(name: str) -> Iterator[str]:
        found = probes.listeners(cluster, name)
        for address, port in sorted(found - wanted[name]):
            yield f"écoute sur {address}:{port}"
        # A table that says nothing was not read, or is another network's.
        for address, port in sorted(wanted[name] - found):
            yield f"n'écoute pas sur {address}:{port}"

    good = f"{', '.join(wanted)} : les ports de docs/flux.md (TCP), rien d'autre"
    command = inside_command(cluster, ETCD[0], "cat", "/proc/net/tcp")
    return judged(everywhere(wanted, faults), good, command)


def expected_ports(cluster: Cluster) -> dict[str, frozenset[tuple[str, int]]]:
    """Return the addresses and ports that each node listens on, and no other."""
    found = {node: set(_loopback(cluster, kind)) for kind, nodes in NODES.items() for node in nodes}
    for door in DOORS:
        for place in door.places(cluster.topology):
            # Published ports are the machine's, not the node's.
            if ip_address(place.host) in cluster.topology.subnets[door.network]:
                found[place.node].add((place.host, place.port))
    return {name: frozenset(places) for name, places in found.items()}


def _loopback(cluster: Cluster, kind: str) -> Iterable[tuple[str, int]]:
    settings = cluster.topology.settings
    return (("127.0.0.1", getattr(settings, port)) for port in LOOPBACK.get(kind, ()))


CONTROLS = (
    Control("TL-01", "TLS 1.3 et chiffrement authentifié partout", (ANSSI + "R3",), _modern),
    Control("TL-02", "Aucune version antérieure", (ANSSI + "R1", ANSSI + "R4"), _no_downgrade),
    Control("TL-03", "Portes internes : certificat exigé", (), _without_certificate),
    Control("TL-04", "Le certificat d'un autre plan n'ouvre rien", (), _other_planes),
    Control("TL-05", "Chaque porte sert le certificat prévu", (), _served),
    Control("TL-06", "Rien ne répond en clair", (), _clear),
    Control("TL-07", "Les ports TCP prévus, aucun de plus", (), _ports),
)
