"""What the measures need and the cluster has not: a client, a bare HAProxy, pgbench's tables.

Both containers end by themselves after ``LIFE_SECONDS``: even a killed command leaves nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from citadelle import compose, engine, images, lifecycle, pki, render
from citadelle.bench.plan import SCALE
from citadelle.progress import wait_until
from citadelle.topology import UID, Role, Topology
from citadelle.workspace import Home, origin

# Longer than any run: rounds of minutes, a few dozen of them.
LIFE_SECONDS = 4 * 3600
START_SECONDS = 20.0
# Filling pgbench's tables writes 75 MB, to two nodes.
TABLES_SECONDS = 120
CONFIGURATION = "/tmp/haproxy.cfg"  # noqa: S108  # a tmpfs of this container


class Client:
    """The container that runs pgbench and psql: one for the whole run, so one account."""

    def __init__(self, name: str) -> None:
        self.name = name

    def pgbench(self, *argv: str, seconds: float) -> str:
        """Return what pgbench said."""
        return engine.docker("exec", self.name, "pgbench", *argv, seconds=seconds)

    def psql(self, target: str, script: str, seconds: float) -> str:
        """Return what psql said to a script; the first error ends it."""
        argv = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", target)
        return engine.execute(self.name, *argv, stdin=script.encode(), seconds=seconds)


@contextmanager
def client(topology: Topology, home: Home) -> Iterator[Client]:
    """Start the client, and remove it whatever happens."""
    environment = lifecycle.ensure_compose_env(topology, home)
    name = f"{topology.settings.cluster_name}-bench"
    _remove(name)
    options = ("run", "--detach", "--rm", "--no-deps", "--no-TTY", "--name", name, "tools")
    line = compose.command(environment, *options, "sleep", str(LIFE_SECONDS))
    engine.docker(*line)
    try:
        yield Client(name)
    finally:
        _remove(name)


@contextmanager
def bare_haproxy(topology: Topology, home: Home, leader: str) -> Iterator[str]:
    """Start one HAProxy in plain TCP mode before the primary, and yield its address.

    Same image, same place between the networks as a load balancer; nothing is published.
    """
    cluster = topology.settings.cluster_name
    name = f"{cluster}-bench-haproxy"
    _remove(name)
    try:
        engine.docker("run", *_confined(topology, home, name), "sleep", str(LIFE_SECONDS))
        engine.docker("network", "connect", f"{cluster}_pg", name)
        text = configuration(topology, leader)
        engine.execute(name, "sh", "-c", f"cat > {CONFIGURATION}", stdin=text.encode())
        engine.docker("exec", "--detach", name, "haproxy", "-db", "-f", CONFIGURATION)
        (found,) = engine.inspect("container", name)
        address = str(found["NetworkSettings"]["Networks"][f"{cluster}_front"]["IPAddress"])
        door = (address, topology.settings.haproxy_rw_port)
        wait_until(lambda: _closed(door), "HAProxy simple", START_SECONDS)
        yield address
    finally:
        _remove(name)


def configuration(topology: Topology, leader: str) -> str:
    """Return the bare HAProxy's configuration: no TLS, no secret."""
    return render.template(
        "bench/haproxy.cfg.j2",
        s=topology.settings,
        node=leader,
        address=topology.address(leader, "pg"),
    )


@contextmanager
def tables(client: Client, target: str) -> Iterator[None]:
    """Create pgbench's tables, and drop them whatever happens."""
    drop = ("--initialize", "--init-steps=d", target)
    client.pgbench("--initialize", f"--scale={SCALE}", target, seconds=TABLES_SECONDS)
    try:
        yield
    finally:
        client.pgbench(*drop, seconds=TABLES_SECONDS)


def _confined(topology: Topology, home: Home, name: str) -> list[str]:
    """Return the options of a container with no right at all, on the applications' network."""
    cluster = topology.settings.cluster_name
    labels = {"cluster": cluster, "ca": pki.fingerprint(home), "origin": origin()}
    argv = ["--detach", "--rm", "--name", name, f"--network={cluster}_front", "--read-only"]
    argv += ["--cap-drop=ALL", "--security-opt=no-new-privileges:true", "--pids-limit=64"]
    argv += ["--user=haproxy", f"--tmpfs=/tmp:mode=0700,uid={UID[Role.HAPROXY]}"]
    argv += [f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()]
    return [*argv, "--entrypoint=", images.name(topology, "haproxy")]


def _closed(door: tuple[str, int]) -> str | None:
    try:
        socket.create_connection(door, START_SECONDS).close()
    except OSError as error:
        return str(error)
    return None


def _remove(name: str) -> None:
    if engine.docker("container", "ls", "--all", "--quiet", f"--filter=name=^{name}$").strip():
        engine.docker("rm", "--force", name)
