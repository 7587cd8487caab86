"""The positive control: what must not exist, put on every network on purpose.

A clear-text exchange that carries a canary and a PROXY header; if the analysis does not find it
on each network, it would not have found anything else either.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from citadelle import engine, images, pki
from citadelle.progress import wait_until
from citadelle.settings import FIELDS
from citadelle.topology import NETWORKS, Topology
from citadelle.workspace import Home, origin

# Not a port of the cluster; the first free one from here.
FIRST_PORT = 9999
START_SECONDS = 20.0
# PROXY protocol, version 2 (HAProxy, doc/proxy-protocol.txt, 2.2).
PROXY_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def port(topology: Topology) -> int:
    """Return the witness's TCP port."""
    kinds = {name: field.metadata["kind"] for name, field in FIELDS.items()}
    taken = {
        getattr(topology.settings, name.lower())
        for name, kind in kinds.items()
        if kind.startswith("port/")
    }
    return next(number for number in range(FIRST_PORT, 65536) if number not in taken)


def speak(topology: Topology, home: Home, canary: bytes) -> None:
    """Send the canary in clear to a container on every network of the cluster."""
    with _listening(topology, home) as addresses:
        for address in addresses.values():
            _say(address, port(topology), PROXY_SIGNATURE + canary + b"\n")


@contextlib.contextmanager
def _listening(topology: Topology, home: Home) -> Iterator[dict[str, str]]:
    """Yield the address of the witness on each network."""
    cluster = topology.settings.cluster_name
    name = f"{cluster}-temoin"
    labels = {"cluster": cluster, "ca": pki.fingerprint(home), "origin": origin()}
    argv = ["run", "--detach", "--rm", "--name", name, "--read-only", "--cap-drop=ALL"]
    argv += [f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()]
    argv += [f"--network={cluster}_{NETWORKS[0]}"]
    # Answers what it hears: both directions carry the canary.
    socat = ["socat", f"TCP-LISTEN:{port(topology)},fork,reuseaddr", "EXEC:cat"]
    engine.docker(*argv, images.name(topology, "tools"), *socat)
    try:
        for network in NETWORKS[1:]:
            engine.docker("network", "connect", f"{cluster}_{network}", name)
        (found,) = engine.inspect("container", name)
        attached = found["NetworkSettings"]["Networks"]
        yield {network: attached[f"{cluster}_{network}"]["IPAddress"] for network in NETWORKS}
    finally:
        engine.docker("rm", "--force", name)


def _say(address: str, number: int, words: bytes) -> None:
    def missing() -> str | None:
        try:
            with socket.create_connection((address, number), START_SECONDS) as connection:
                connection.sendall(words)
                return None if connection.recv(len(words)) else "pas d'écho"
        except OSError as error:
            return str(error)

    wait_until(missing, f"Témoin en clair ({address})", START_SECONDS)
