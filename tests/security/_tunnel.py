"""A load balancer's stolen tunnel key, used as HAProxy uses it, with a PROXY header of one's own.

libpq does the inner TLS and the password; a relay of this process does the outer one.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from citadelle import clients, connect
from citadelle.topology import HAPROXY, Topology
from citadelle.workspace import Home
from tests.probes import proxy, sqlstate
from tests.probes.tls import ANSWER_SECONDS
from tests.security import _logins

# Larger than any TLS record (RFC 8446, 5.1): nothing stays unread in OpenSSL's memory.
CHUNK = 32768


def attempt(  # who, at which pod, from where, with which certificate
    topology: Topology,
    home: Home,
    pod: str,
    claimed: str,
    account: str,
    *,
    shown: Path | None = None,
    **changes: str,
) -> sqlstate.Answer:
    """Connect to a pod's PostgreSQL as an account, with its right password, from a claimed address.

    The answer is CUT when the gateway refuses the claim.
    """
    user, password = _logins.login(topology.settings, account)
    own = _logins.certificate(shown) if shown else {}
    with _relay(topology, home, pod, claimed) as port:
        place = {"host": pod, "hostaddr": "127.0.0.1", "port": port}
        login = {"user": user, "password": password}
        return sqlstate.attempt(
            connect.parameters(topology, home, "rw") | place | login | own | changes
        )


@contextlib.contextmanager
def _relay(topology: Topology, home: Home, pod: str, claimed: str) -> Iterator[int]:
    """Give a local port that leads into the tunnel of a pod, for one connection."""
    tls = clients.context(home, "tunnel", HAPROXY[0])
    place = str(topology.address(pod, "pg")), topology.settings.gateway_port
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        socket.create_connection(place, ANSWER_SECONDS) as raw,
        tls.wrap_socket(raw, server_hostname=pod) as tunnel,
    ):
        door.settimeout(ANSWER_SECONDS)
        tunnel.sendall(proxy.claim(claimed))
        carrier = threading.Thread(target=_carry, args=(door, tunnel), daemon=True)
        carrier.start()
        yield door.getsockname()[1]
        carrier.join(ANSWER_SECONDS)


def _carry(door: socket.socket, tunnel: ssl.SSLSocket) -> None:
    """Carry bytes both ways until one side ends, in whatever way."""
    client, _ = door.accept()
    tunnel.setblocking(False)
    with client, contextlib.suppress(OSError):
        while _turn(client, tunnel):
            pass


def _turn(client: socket.socket, tunnel: ssl.SSLSocket) -> bool:
    """Carry what has come; tell whether both sides are still there."""
    readable, _, _ = select.select([client, tunnel], [], [], ANSWER_SECONDS)
    open_ = bool(readable)
    if client in readable:
        open_ = _pass(client.recv(CHUNK), tunnel)
    if tunnel in readable:
        with contextlib.suppress(ssl.SSLWantReadError):  # half a record, or one of TLS itself
            open_ = _pass(tunnel.recv(CHUNK), client) and open_
    return open_


def _pass(data: bytes, to: socket.socket) -> bool:
    """Send what came and tell whether anything did; a login's messages fit in any buffer."""
    if data:
        to.sendall(data)
    return bool(data)
