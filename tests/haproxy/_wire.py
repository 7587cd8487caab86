"""Bytes on a socket: PostgreSQL's first packets, PROXY headers, and what comes back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

# A refusal comes in milliseconds; a door that neither answers nor closes for this long is open.
ANSWER_SECONDS = 4.0

# PostgreSQL manual, 53.7 (message formats): length, then a code.
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)
CANCEL_REQUEST = struct.pack("!IIII", 16, 80877102, 1, 1)

# PROXY protocol, version 2 (HAProxy, doc/proxy-protocol.txt, 2.2).
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, TCP6, UNIX = 0x00, 0x11, 0x21, 0x31


def startup(user: str, database: str) -> bytes:
    """Return a StartupMessage of protocol 3.0: the first packet of a client without TLS."""
    names = f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack("!II", 8 + len(names), 196608) + names


def header(command: int, family: int, block: bytes) -> bytes:
    """Return a PROXY v2 header."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


def claim(source: str) -> bytes:
    """Return a PROXY v2 header that says: this TCP connection comes from ``source``."""
    address = ip_address(source)
    family = TCP4 if isinstance(address, IPv4Address) else TCP6
    target = IPv4Address(1) if family == TCP4 else IPv6Address(1)
    return header(PROXY, family, addresses(address, target))


def addresses(
    source: IPv4Address | IPv6Address, target: IPv4Address | IPv6Address, port: int = 40000
) -> bytes:
    """Return a header's address block."""
    return source.packed + target.packed + struct.pack("!HH", port, 5432)


def answer(
    host: str,
    port: int,
    payload: bytes,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> bytes:
    """Send bytes (inside TLS if given a context) and return the first answer, empty if closed.

    Raises:
        ssl.SSLError: when TLS itself is refused.
        TimeoutError: when the connection stays open without an answer.
    """
    with (
        socket.create_connection((host, port), ANSWER_SECONDS) as raw,
        tls.wrap_socket(raw, server_hostname=server_name) if tls else raw as connection,
    ):
        if payload:
            connection.sendall(payload)
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            return connection.recv(4096)
    return b""


def judged(host: str, port: int, tls: ssl.SSLContext, server_name: str) -> bytes:
    """Do the TLS handshake and wait, silent, for the server's judgement of the certificate.

    Nothing is sent, because bytes under way when the server closes turn its alert into a reset.
    """
    return answer(host, port, b"", tls, server_name)
