"""What the tests of a layer ask of a port or of a container: TLS probes and /proc."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path

from testinfra.host import Host

from citadelle import clients
from citadelle.workspace import Home

# A refusal comes at once; a port that says nothing for this long is a failure too.
ANSWER_SECONDS = 5.0
# A TLS alert comes in milliseconds; silence for this long means that the handshake was accepted.
SILENCE_SECONDS = 1.0
# A client certificate of each plane: the wrong ones to show at another plane's door.
EXAMPLES = {
    "dcs-peer": "etcd1",
    "dcs-client": "operator",
    "rest": "operator",
    "tunnel": "haproxy1",
    "server": "pg1",
    "pg-client": "replicator.pg1",
    "admin": "haproxy1",
}


def context(home: Home, trusted: str, shown: Path | None) -> ssl.SSLContext:
    """Return a context that trusts one plane and shows any certificate (path without suffix)."""
    tls = clients.context(home, trusted, None)
    if shown is not None:
        tls.load_cert_chain(f"{shown}.crt", f"{shown}.key")
    return tls


def first_line(
    tls: ssl.SSLContext | None, address: IPv4Address, port: int, name: str, path: str
) -> str:
    """Return the first line of the answer to a GET; in clear when there is no context.

    Raises:
        OSError: when the server refuses (ssl.SSLError is one).
    """
    request = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
    with (
        socket.create_connection((str(address), port), ANSWER_SECONDS) as raw,
        tls.wrap_socket(raw, server_hostname=name) if tls else raw as connection,
    ):
        connection.sendall(request)
        return connection.recv(4096).decode(errors="replace").partition("\r\n")[0]


def handshake(tls: ssl.SSLContext, address: IPv4Address, port: int, name: str) -> None:
    """Return once the server took the client's certificate: it then waits for a request.

    The certificate is judged after the client's handshake is over (RFC 8446, 4.4.2): only
    reading shows it. Nothing is written, because bytes on the way when the server closes would
    turn its alert into a mere reset.

    Raises:
        ssl.SSLError: the server's alert.
    """
    with (
        socket.create_connection((str(address), port), ANSWER_SECONDS) as raw,
        tls.wrap_socket(raw, server_hostname=name) as connection,
    ):
        connection.settimeout(SILENCE_SECONDS)
        with contextlib.suppress(TimeoutError):
            connection.recv(1)


def process(host: Host) -> dict[str, str]:
    """Return /proc/1/status: the container's own process, as the kernel sees it."""
    lines = host.file("/proc/1/status").content_string.splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def listeners(host: Host) -> set[tuple[str, int]]:
    """Return the TCP addresses that something listens on, the engine's own resolver aside."""
    found = set()
    for row in host.file("/proc/net/tcp").content_string.splitlines()[1:]:
        local, _, state = row.split()[1:4]
        if state == "0A":  # TCP_LISTEN
            address, port = local.split(":")
            found.add((str(IPv4Address(bytes.fromhex(address)[::-1])), int(port, 16)))
    return {(address, port) for address, port in found if address != "127.0.0.11"}


def strays(host: Host, owner: int) -> list[str]:
    """Return the delivered files that are not 0400, or not the owner's."""
    query = "find /etc/citadelle -type f '(' -not -perm 0400 -o -not -uid %s ')'"
    return str(host.check_output(query, str(owner))).split()


def leaked(text: str, secret_values: Iterable[str]) -> int:
    """Return how many secrets a text holds; a number, so that a failure shows none of them."""
    return sum(value in text for value in secret_values)
