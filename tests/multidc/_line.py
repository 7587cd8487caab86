"""Two ends of a line, measured: connection times, datagrams that arrive, a transfer's speed.

Each end is a container of ours in a machine's network namespace, as near as can be to what its
components send and get.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from citadelle import engine, images, namespace
from citadelle.progress import wait_until
from citadelle.topology import Topology
from citadelle.workspace import Home

# No component's: outside of every range of .env.example.
PORT = 39999
READY_SECONDS = 30
# Three times as long as a lost SYN waits for the second one.
CONNECT_SECONDS = 10
# The last datagrams are on their way: their count is final once it has not changed for this long,
# more than any delay asked for; at most so long in all.
STILL_SECONDS, SETTLING_SECONDS = 0.5, 5.0
# Counts datagrams; takes whatever a connection sends, then says how many bytes and datagrams.
SERVER = f"""
import socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
udp.bind(("", {PORT}))
seen = set()
def count():
    while True:
        seen.add(udp.recv(64))
threading.Thread(target=count, daemon=True).start()
with socket.create_server(("", {PORT}), backlog=64) as tcp:
    print("ready", flush=True)
    while True:
        peer, _ = tcp.accept()
        with peer:
            while peer.recv(1 << 16):
                pass
            peer.sendall(str(len(seen)).encode())
"""
CLIENT = f"""
import json, socket, sys, time
where, connections, datagrams, size = (sys.argv[1], {PORT}), *map(int, sys.argv[2:])
def elapsed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start
def connect():
    socket.create_connection(where, {CONNECT_SECONDS}).close()
times = [elapsed(connect) for _ in range(connections)]
def total():
    with socket.create_connection(where, {CONNECT_SECONDS}) as peer:
        peer.shutdown(socket.SHUT_WR)
        return int(peer.recv(64))
def settled():
    seen, since = total(), time.monotonic()
    end = since + {SETTLING_SECONDS}
    while since + {STILL_SECONDS} > time.monotonic() < end:
        time.sleep(0.1)  # between two questions; the two delays above decide
        if (now := total()) != seen:
            seen, since = now, time.monotonic()
    return seen
arrived = 0
if datagrams:
    before = total()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for number in range(datagrams):
            udp.sendto(f"{{time.monotonic()}} {{number}}".encode(), where)
            time.sleep(0.002)  # a pace that fills no socket buffer: what lacks was lost on the line
    arrived = settled() - before
seconds = 0.0
if size:
    with socket.create_connection(where, {CONNECT_SECONDS}) as peer:
        def transfer():
            peer.sendall(bytes(size))
            peer.shutdown(socket.SHUT_WR)
            peer.recv(64)
        seconds = elapsed(transfer)
print(json.dumps({{"times": times, "arrived": arrived, "seconds": seconds}}))
"""


class Arena(Protocol):
    """The cluster that the layer has to itself, as its ``conftest.py`` raises it."""

    @property
    def topology(self) -> Topology:
        """Its machines and addresses."""

    @property
    def home(self) -> Home:
        """Its files."""


@dataclass(frozen=True)
class Measured:
    """Connection times and the transfer's duration, in seconds; datagrams that arrived."""

    times: list[float]
    arrived: int
    seconds: float


class Ends:
    """Servers on some machines of a cluster, and clients on any."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    def measure(
        self, source: str, target: str, *, connections: int = 0, datagrams: int = 0, size: int = 0
    ) -> Measured:
        """Talk from one machine to another on the network `pg`."""
        address = str(self.topology.address(target, "pg"))
        numbers = (str(connections), str(datagrams), str(size))
        said = engine.docker(*self._argv(source, "--rm"), "-c", CLIENT, address, *numbers)
        return Measured(**json.loads(said))

    def from_host(self, target: str) -> float:
        """Return the shortest of a few connections from this process, in seconds."""
        where = (str(self.topology.address(target, "pg")), PORT)
        times = []
        for _ in range(5):
            start = time.monotonic()
            socket.create_connection(where, CONNECT_SECONDS).close()
            times.append(time.monotonic() - start)
        return min(times)

    @contextmanager
    def serving(self, *nodes: str) -> Iterator[None]:
        """Let these machines answer while the body lasts."""
        names = [self._name(node) for node in nodes]
        try:
            for node, name in zip(nodes, names, strict=True):
                argv = self._argv(node, "--detach", f"--name={name}")
                engine.docker(*argv, "-c", SERVER)
                wait_until(lambda: self._ready(name), f"Mesure sur {node}", READY_SECONDS)  # noqa: B023  # asked at once
            yield
        finally:
            for name in names:
                engine.docker("rm", "--force", name)

    def _ready(self, name: str) -> str | None:
        return None if "ready" in engine.logs(name) else "pas encore à l'écoute"

    def _name(self, node: str) -> str:
        return f"{self.topology.settings.cluster_name}-{node}-measure"

    def _argv(self, node: str, *options: Any) -> list[str]:  # noqa: ANN401  # docker's options
        network = f"--network=container:{namespace.holder(self.topology, node)}"
        image = images.name(self.topology, "tools")
        return ["run", *options, network, "--cap-drop=ALL", "--entrypoint=python3", image]
