"""The cluster's TCP doors, knocked on for real: TLS versions, certificates, clear text."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from citadelle import clients
from citadelle.audit.control import Cluster
from citadelle.audit.reads import inside, once
from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, HAPROXY, PG, Topology

# A refusal comes in milliseconds.
ANSWER_SECONDS = 4.0
# A TLS alert comes in milliseconds; silence for this long means that the certificate was taken.
SILENCE_SECONDS = 2.0
# PostgreSQL manual, 53.7 (message formats): length, then a code.
SSL_REQUEST = struct.pack("!II", 8, 80877103)
PROTOCOL = 196608
HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: audit\r\nConnection: close\r\n\r\n"
TCP_LISTEN = "0A"  # linux/net/tcp_states.h
ENGINE_RESOLVER = "127.0.0.11"  # Docker's own, in every network namespace


@dataclass(frozen=True)
class Door:
    """One port that speaks TLS: the plane of its certificate, and what the operator shows there.

    ``served`` names, in the inventory, whose certificate may answer.
    """

    name: str
    host: str
    port: int
    plane: str
    server_name: str
    served: tuple[str, ...]
    shown: str | None
    postgres: bool = False


def doors(topology: Topology) -> tuple[Door, ...]:
    """Return every door that the operator's machine reaches."""
    return (*_etcd(topology), *_pods(topology), *_published(topology))


def _etcd(topology: Topology) -> Iterator[Door]:
    s = topology.settings
    for node in ETCD:
        host = str(topology.address(node, "dcs"))
        served = (node,)
        client = ("dcs-client", node, served, "operator")
        yield Door(f"{node} (clients)", host, s.etcd_client_port, *client)
        yield Door(f"{node} (membres)", host, s.etcd_peer_port, "dcs-peer", node, served, node)


def _pods(topology: Topology) -> Iterator[Door]:
    s = topology.settings
    for node in PG:
        host = str(topology.address(node, "pg"))
        served = (node,)
        rest, tunnel = ("rest", node, served, "operator"), ("tunnel", node, served, HAPROXY[0])
        yield Door(f"{node} (API REST)", host, s.patroni_rest_port, *rest)
        yield Door(f"{node} (tunnel)", host, s.gateway_port, *tunnel)
        yield Door(f"{node} (PostgreSQL)", host, s.pg_port, "server", node, served, None, True)


def _published(topology: Topology) -> Iterator[Door]:
    for e in topology.endpoints:
        name = f"{e.node} ({e.service})"
        # Through rw and ro, TLS runs end to end to one of the PostgreSQL.
        served = PG if e.service in ("rw", "ro") else (e.node,)
        postgres = e.service != "admin"
        yield Door(name, e.host, e.port, "server", e.node, served, None, postgres)


def mutual(topology: Topology) -> tuple[Door, ...]:
    """Return the doors that want a client certificate."""
    return tuple(door for door in doors(topology) if door.shown)


def context(cluster: Cluster, door: Door, shown: str | None) -> ssl.SSLContext:
    """Return a TLS 1.3 context that trusts the door's plane and shows one of its certificates."""
    return clients.context(cluster.home, door.plane, shown)


@contextlib.contextmanager
def session(door: Door, tls: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Open TLS at a door, after PostgreSQL's negotiation where it has one.

    Raises:
        OSError: when the door refuses; ssl.SSLError (its alert) is one.
    """
    with socket.create_connection((door.host, door.port), ANSWER_SECONDS) as raw:
        if door.postgres:
            raw.sendall(SSL_REQUEST)
            if raw.recv(1) != b"S":
                raise ConnectionError("TLS refusé à la négociation de PostgreSQL")
        with tls.wrap_socket(raw, server_hostname=door.server_name) as found:
            yield found


def refusal(door: Door, tls: ssl.SSLContext) -> str:
    """Return the alert by which a door refuses; empty when it takes what it is shown.

    A client's certificate is judged after the client's handshake is over (RFC 8446, 4.4.2): only
    reading shows it. Nothing is sent, because bytes under way would turn the alert into a reset.
    """
    try:
        with session(door, tls) as found:
            found.settimeout(SILENCE_SECONDS)
            with contextlib.suppress(TimeoutError):
                found.recv(1)
    except ssl.SSLError as error:
        return error.reason or "TLS"
    return ""


def answer_in_clear(host: str, port: int, payload: bytes) -> bytes:
    """Return what a door answers to bytes in clear; empty when it hangs up."""
    with (
        socket.create_connection((host, port), ANSWER_SECONDS) as raw,
        contextlib.suppress(ConnectionError),
    ):
        raw.sendall(payload)
        return raw.recv(4096)
    return b""


def startup(user: str, database: str) -> bytes:
    """Return a StartupMessage in clear: the first packet of a client without TLS."""
    words = f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack("!II", 8 + len(words), PROTOCOL) + words


def tls_command(cluster: Cluster, door: Door, option: str, *, certificate: bool = True) -> str:
    """Return how an auditor does the same handshake."""
    folder = (cluster.home.pki / door.plane).relative_to(cluster.home.path)
    words = [f"openssl s_client -connect {door.host}:{door.port} -servername {door.server_name}"]
    words += ["-starttls postgres"] if door.postgres else []
    words += [option, f"-CAfile {folder}/ca.crt"]
    if door.shown and certificate:
        words.append(f"-cert {folder}/{door.shown}.crt -key {folder}/{door.shown}.key")
    return " ".join(words)


@once
def listeners(cluster: Cluster, name: str) -> frozenset[tuple[str, int]]:
    """Return the TCP addresses that something listens on in a container's network."""
    # A kernel without IPv6 has no second table; one that is there and cannot be read is an error.
    tables = "cat /proc/net/tcp; if [ -e /proc/net/tcp6 ]; then cat /proc/net/tcp6; fi"
    rows = [row.split() for row in inside(cluster, name, "sh", "-e", "-c", tables).splitlines()]
    found = {place(row[1]) for row in rows if row[3] == TCP_LISTEN}
    return frozenset(where for where in found if where[0] != ENGINE_RESOLVER)


def place(text: str) -> tuple[str, int]:
    """Return the address and the port that /proc/net/tcp writes in hexadecimal."""
    address, _, port = text.partition(":")
    if len(address) != 8:  # noqa: PLR2004  # hexadecimal digits of an IPv4 address
        return "IPv6", int(port, 16)
    try:
        # The kernel writes the address in the machine's own byte order: little-endian here.
        return str(IPv4Address(bytes.fromhex(address)[::-1])), int(port, 16)
    except ValueError as error:
        raise CitadelleError(f"/proc/net/tcp illisible : {text}") from error
