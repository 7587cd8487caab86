"""What the kernel says of a container: its processes, its files, its ports, whom it reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from ipaddress import IPv4Address
from typing import Any

from testinfra.host import Host

from citadelle import engine
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology

Containers = Callable[[str], Host]
Place = tuple[str, int]

# An allowed connection takes milliseconds; a packet that is dropped is never answered.
REACH_SECONDS = 2
# Three processes each, in containers that may run 32 (pids_limit).
AT_ONCE = 6
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@cache
def processes(container: Containers, name: str) -> tuple[dict[str, str], ...]:
    """Return /proc/<pid>/status of the container's own processes, not of this very command."""
    text = container(name).check_output("cat /proc/[0-9]*/status")
    found = [_fields(part) for part in ("\n" + text).split("\nName:")[1:]]
    (main,) = [fields for fields in found if fields["Pid"] == "1"]
    # By name too: what a health check leaves behind for a moment is also a child of process 1.
    return (main, *(f for f in found if (f["PPid"], f["Name"]) == ("1", main["Name"])))


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in f"Name:{text}".splitlines())
    return {key: value.strip() for key, _, value in lines}


def listeners(host: Host) -> set[Place]:
    """Return the TCP addresses that something listens on, the engine's own resolver aside."""
    found = set()
    for row in host.check_output("cat /proc/net/tcp").splitlines()[1:]:
        local, _, state = row.split()[1:4]
        if state == "0A":  # TCP_LISTEN
            address, port = local.split(":")
            found.add((str(IPv4Address(bytes.fromhex(address)[::-1])), int(port, 16)))
    return {(address, port) for address, port in found if address != "127.0.0.11"}


def ipv6_sockets(host: Host) -> str:
    """Return the lines of the kernel's IPv6 tables: empty when nothing uses IPv6.

    A kernel without IPv6 has no such table; one that is there and cannot be read is a failure.
    """
    tables = "/proc/net/tcp6 /proc/net/udp6"
    read = 'if [ -e "$table" ]; then tail -n +2 "$table"; fi'
    return str(host.check_output(f"set -e; for table in {tables}; do {read}; done"))


def strays(host: Host, owner: int) -> list[str]:
    """Return the delivered files that are not 0400, or not the owner's."""
    query = "find /etc/citadelle -type f '(' -not -perm 0400 -o -not -uid %s ')'"
    return str(host.check_output(query, str(owner))).split()


def leaked(text: str, secret_values: Iterable[str]) -> int:
    """Return how many secrets a text holds; a number, so that a failure shows none of them."""
    return sum(value in text for value in secret_values)


def writable(host: Host, places: Iterable[str]) -> list[str]:
    """Return the directories that take a file, whoever asks.

    A refusal is what is looked for, so ``touch`` may fail; only the words "Read-only file system"
    count as one, anything else reports the place as writable.
    """
    tries = " ".join(f"touch {place}/probe 2>&1 || true;" for place in places)
    lines = host.check_output(tries).splitlines()
    refused = {line.split("'")[1] for line in lines if "Read-only file system" in line}
    return [place for place in places if f"{place}/probe" not in refused]


def reached(host: Host, places: Iterable[Place]) -> set[Place]:
    """Return the places that a TCP connection from inside reaches."""
    tries = [
        f"(timeout {REACH_SECONDS} bash -c 'exec 3<>/dev/tcp/{a}/{p}' && echo {a} {p}) &"
        for a, p in places
    ]
    batches = [" ".join([*tries[n : n + AT_ONCE], "wait;"]) for n in range(0, len(tries), AT_ONCE)]
    lines = host.run("bash -c %s", " ".join(batches)).stdout.splitlines()
    return {(address, int(port)) for address, port in map(str.split, lines)}


def bindings(cluster: str, name: str) -> set[Place]:
    """Return where the machine publishes the container's ports."""
    (found,) = engine.inspect("container", f"{cluster}-{name}")
    ports: dict[str, list[dict[str, Any]] | None] = found["NetworkSettings"]["Ports"]
    return {(b["HostIp"], int(b["HostPort"])) for some in ports.values() for b in some or []}


def members(topology: Topology) -> set[Place]:
    """Return every port that the database's side listens on, etcd's included."""
    s = topology.settings
    etcd = {(str(topology.address(node, "dcs")), s.etcd_client_port) for node in ETCD}
    peers = {(str(topology.address(node, "dcs")), s.etcd_peer_port) for node in ETCD}
    return etcd | peers | pods(topology, s.pg_port)


def pods(topology: Topology, *more: int) -> set[Place]:
    """Return the gateways' ports, and some others of the pods."""
    ports = (topology.settings.gateway_port, topology.settings.patroni_rest_port, *more)
    return {(str(topology.address(pod, "pg")), port) for pod in PG for port in ports}


def entrances(topology: Topology) -> set[Place]:
    """Return every port that applications and PgBouncer use."""
    s = topology.settings
    balancers = (s.haproxy_rw_port, s.haproxy_ro_port, s.haproxy_admin_port)
    rows = [(node, n, p) for node in HAPROXY for n in ("pool", "front") for p in balancers]
    rows += [(node, n, s.pgbouncer_port) for node in PGBOUNCER for n in ("pool", "front")]
    return {(str(topology.address(node, network)), port) for node, network, port in rows}
