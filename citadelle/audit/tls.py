"""Every door that speaks TLS, tried live: versions, suites, certificates, clear text, ports."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from typing import cast

from cryptography.hazmat.primitives.serialization import Encoding

from citadelle.audit import probes
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.probes import Door
from citadelle.audit.reads import everywhere, inside_command, judged, once
from citadelle.inventory import PLANES
from citadelle.pki_files import certificates
from citadelle.topology import ETCD, HAPROXY, PG

ANSSI = "ANSSI SDE-NT-35 v1.2, "
# TLS 1.3's suites with AEAD (RFC 8446, B.4), without the two for tiny devices.
SUITES = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
}
# Not the operator's plane: who shows one of these is at the wrong door.
STRANGERS = {
    "dcs-peer": ETCD[0],
    "dcs-client": "operator",
    "rest": "operator",
    "tunnel": HAPROXY[0],
}


@once
def _negotiated(cluster: Cluster, door: Door) -> tuple[str, str, bytes]:
    """Return the version, the suite and the certificate (DER) that a door gives."""
    with probes.session(door, probes.context(cluster, door, door.shown)) as found:
        suite = cast("tuple[str, str, int]", found.cipher())[0]
        return str(found.version()), suite, found.getpeercert(binary_form=True) or b""


def _old(cluster: Cluster, door: Door) -> ssl.SSLContext:
    """Return a context that offers all that is older than 1.3, and nothing newer."""
    tls = probes.context(cluster, door, door.shown)
    tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL's level 1 would not offer 1.0 and 1.1.
    tls.set_ciphers("ALL:@SECLEVEL=0")
    return tls


def _all(cluster: Cluster) -> tuple[Door, ...]:
    return probes.doors(cluster.topology)


def _modern(cluster: Cluster) -> Finding:
    seen = {door.name: _negotiated(cluster, door)[:2] for door in _all(cluster)}
    faults = [
        f"{name} : {version}, {suite}"
        for name, (version, suite) in seen.items()
        if version != "TLSv1.3" or suite not in SUITES
    ]
    suites = ", ".join(sorted({suite for _, suite in seen.values()}))
    command = probes.tls_command(cluster, _all(cluster)[0], "-tls1_3")
    return judged(faults, f"{len(seen)} portes : TLSv1.3 ; suites négociées : {suites}", command)


def _no_downgrade(cluster: Cluster) -> Finding:
    found = {door.name: probes.refusal(door, _old(cluster, door)) for door in _all(cluster)}
    faults = [
        f"{name} : {reason or 'accepté'}"
        for name, reason in found.items()
        if "PROTOCOL_VERSION" not in reason
    ]
    good = f"{len(found)} portes : TLS 1.2 et antérieurs refusés (alerte protocol_version)"
    command = probes.tls_command(cluster, _all(cluster)[0], "-tls1_2")
    return judged(faults, good, command)


def _without_certificate(cluster: Cluster) -> Finding:
    found = probes.mutual(cluster.topology)
    faults = list(_taken(found, {d: probes.context(cluster, d, None) for d in found}, "REQUIRED"))
    good = f"{len(found)} portes internes : alerte certificate_required"
    command = probes.tls_command(cluster, found[0], "-tls1_3", certificate=False)
    return judged(faults, good, command)


def _other_planes(cluster: Cluster) -> Finding:
    found = probes.mutual(cluster.topology)
    faults: list[str] = []
    for plane, name in STRANGERS.items():
        doors = [door for door in found if door.plane != plane]
        contexts = {door: _stranger(cluster, door, plane, name) for door in doors}
        faults += _taken(doors, contexts, "UNKNOWN_CA|BAD_CERTIFICATE")
    good = f"{len(found)} portes × certificats des autres plans : tous refusés par une alerte TLS"
    command = probes.tls_command(cluster, found[0], "-tls1_3")
    return judged(faults, good, command.replace("dcs-client/operator", "rest/operator"))


def _stranger(cluster: Cluster, door: Door, plane: str, name: str) -> ssl.SSLContext:
    tls = probes.context(cluster, door, None)
    stem = cluster.home.pki / plane / name
    tls.load_cert_chain(f"{stem}.crt", f"{stem}.key")
    return tls


def _taken(
    doors: Iterable[Door], contexts: dict[Door, ssl.SSLContext], reasons: str
) -> Iterator[str]:
    """Yield the doors that did not refuse for one of these reasons."""
    for door in doors:
        said = probes.refusal(door, contexts[door])
        if not any(reason in said for reason in reasons.split("|")):
            yield f"{door.name} : {said or 'accepté'}"


def _served(cluster: Cluster) -> Finding:
    inventory = {
        (plane, name): certificate.public_bytes(Encoding.DER)
        for plane in PLANES
        for name, certificate in certificates(cluster.home, plane)
    }

    def faults() -> Iterator[str]:
        for door in _all(cluster):
            served = _negotiated(cluster, door)[2]
            if served not in [inventory.get((door.plane, name)) for name in door.served]:
                yield f"{door.name} : certificat autre que celui de l'inventaire"

    command = probes.tls_command(cluster, _all(cluster)[0], "-tls1_3 -showcerts")
    return judged(
        faults(), f"{len(_all(cluster))} portes : celui de l'inventaire, vérifié", command
    )


def _clear(cluster: Cluster) -> Finding:
    def faults() -> Iterator[str]:
        for door in (d for d in _all(cluster) if not d.postgres):
            answer = probes.answer_in_clear(door.host, door.port, probes.HTTP_REQUEST)
            # etcd may say in clear that it wants TLS: an error, not a service.
            if answer and b" 400 " not in answer.partition(b"\r\n")[0]:
                yield f"{door.name} : réponse en clair"

    door = _all(cluster)[0]
    good = "etcd, API REST, tunnels, administration : une requête en clair n'a pas de réponse"
    return judged(faults(), good, f"curl --include http://{door.host}:{door.port}/version")


def _ports(cluster: Cluster) -> Finding:
    wanted = expected_ports(cluster)

    def faults(name: str) -> Iterator[str]:
        found = probes.listeners(cluster, name)
        for address, port in sorted(found - wanted[name]):
            yield f"écoute sur {address}:{port}"

    good = f"{', '.join(wanted)} : rien que les ports de docs/flux.md"
    command = inside_command(cluster, ETCD[0], "cat", "/proc/net/tcp")
    return judged(everywhere(wanted, faults), good, command)


def expected_ports(cluster: Cluster) -> dict[str, frozenset[tuple[str, int]]]:
    """Return the addresses and ports that each node listens on, and no other."""
    topology, s = cluster.topology, cluster.topology.settings
    local = "127.0.0.1"
    found = {}
    for node in ETCD:
        own = str(topology.address(node, "dcs"))
        found[node] = {
            (own, s.etcd_client_port),
            (own, s.etcd_peer_port),
            (local, s.etcd_client_port),
        }
    for node in PG:
        own = str(topology.address(node, "pg"))
        found[node] = {(own, s.gateway_port)}
        found[node] |= {(a, p) for a in (own, local) for p in (s.pg_port, s.patroni_rest_port)}
    for node in HAPROXY:
        front, pool = str(topology.address(node, "front")), str(topology.address(node, "pool"))
        found[node] = {
            (a, p) for a in (front, pool) for p in (s.haproxy_rw_port, s.haproxy_ro_port)
        }
        found[node] |= {(front, s.haproxy_admin_port)}
    return {name: frozenset(places) for name, places in found.items()}


CONTROLS = (
    Control("TL-01", "TLS 1.3 et chiffrement authentifié partout", (ANSSI + "R3",), _modern),
    Control("TL-02", "Aucune version antérieure", (ANSSI + "R1", ANSSI + "R4"), _no_downgrade),
    Control("TL-03", "Portes internes : certificat exigé", (), _without_certificate),
    Control("TL-04", "Le certificat d'un autre plan n'ouvre rien", (), _other_planes),
    Control("TL-05", "Chaque porte sert le certificat prévu", (), _served),
    Control("TL-06", "Rien ne répond en clair", (), _clear),
    Control("TL-07", "Aucun port d'écoute de plus", (), _ports),
)
