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
from citadelle.doors import DOORS, Demand, Door, Place, Protocol
from citadelle.errors import CitadelleError
from citadelle.topology import Topology
from citadelle.wire.records import SSL_ACCEPTED, SSL_REQUEST

# A refusal comes in milliseconds.
ANSWER_SECONDS = 4.0
# A TLS alert comes in milliseconds; silence for this long means that the certificate was taken.
SILENCE_SECONDS = 2.0
# PostgreSQL manual, 53.7 (message formats): version 3.0.
PROTOCOL = 196608
HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: audit\r\nConnection: close\r\n\r\n"
TCP_LISTEN = "0A"  # linux/net/tcp_states.h
ENGINE_RESOLVER = "127.0.0.11"  # Docker's own, in every network namespace
OPERATOR = "operator"

# A certificate of the inventory, by its plane and its name.
Shown = tuple[str, str]


@dataclass(frozen=True)
class Entrance:
    """One address of one door."""

    door: Door
    place: Place

    def __str__(self) -> str:
        place = self.place
        return f"{place.node}, porte « {self.door.name} » ({place.host}:{place.port})"


def entrances(topology: Topology) -> tuple[Entrance, ...]:
    """Return every address of every door that answers the operator's machine."""
    doors = (door for door in DOORS if door.sources is None)
    return tuple(Entrance(door, place) for door in doors for place in door.places(topology))


def mutual(topology: Topology) -> tuple[Entrance, ...]:
    """Return the addresses of the doors that want a client certificate."""
    return tuple(e for e in entrances(topology) if e.door.demand is Demand.REQUIRED)


def own(door: Door) -> Shown | None:
    """Return a certificate that a door serves, the operator's if it is one; None: it asks none."""
    if door.client_plane is None or not door.accepts:
        return None
    return door.client_plane, OPERATOR if OPERATOR in door.accepts else door.accepts[0]


def context(cluster: Cluster, door: Door, shown: Shown | None) -> ssl.SSLContext:
    """Return a TLS 1.3 context that trusts a door's authority and shows any certificate."""
    tls = clients.context(cluster.home, door.server_plane, None)
    if shown:
        stem = cluster.home.pki.joinpath(*shown)
        tls.load_cert_chain(f"{stem}.crt", f"{stem}.key")
    return tls


@contextlib.contextmanager
def session(entrance: Entrance, tls: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """Open TLS at a door, after PostgreSQL's negotiation where it has one.

    Raises:
        OSError: when the door refuses; ssl.SSLError (its alert) is one.
    """
    place = entrance.place
    with socket.create_connection((place.host, place.port), ANSWER_SECONDS) as raw:
        if entrance.door.protocol is Protocol.POSTGRES:
            raw.sendall(SSL_REQUEST)
            if raw.recv(1) != SSL_ACCEPTED:
                raise ConnectionError("TLS refusé à la négociation de PostgreSQL")
        with tls.wrap_socket(raw, server_hostname=place.node) as found:
            yield found


def refusal(entrance: Entrance, tls: ssl.SSLContext) -> str:
    """Return the alert by which a door refuses; empty when it takes what it is shown.

    A client's certificate is judged after the client's handshake is over (RFC 8446, 4.4.2): only
    reading shows it. Nothing is sent, because bytes under way would turn the alert into a reset.
    """
    try:
        with session(entrance, tls) as found:
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


def tls_command(cluster: Cluster, entrance: Entrance, option: str, shown: Shown | None) -> str:
    """Return how an auditor does the same handshake."""
    door, place = entrance.door, entrance.place
    pki = cluster.home.pki.relative_to(cluster.home.path)
    words = [f"openssl s_client -connect {place.host}:{place.port} -servername {place.node}"]
    words += ["-starttls postgres"] if door.protocol is Protocol.POSTGRES else []
    words += [option, f"-CAfile {pki}/{door.server_plane}/ca.crt"]
    if shown:
        stem = pki.joinpath(*shown)
        words.append(f"-cert {stem}.crt -key {stem}.key")
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
