"""Whom a container reaches, and the ports that it might."""

from __future__ import annotations

from collections.abc import Iterable

from testinfra.host import Host

from citadelle.doors import DOORS
from citadelle.topology import HAPROXY, PGBOUNCER, Topology
from tests.probes.kernel import Place

# An allowed connection takes milliseconds; a packet that is dropped is never answered.
REACH_SECONDS = 2
# Three processes each, in containers that may run 32 (pids_limit).
AT_ONCE = 6


def reached(host: Host, places: Iterable[Place]) -> set[Place]:
    """Return the places that a TCP connection from inside reaches."""
    tries = [
        f"(timeout {REACH_SECONDS} bash -c 'exec 3<>/dev/tcp/{a}/{p}' && echo {a} {p}) &"
        for a, p in places
    ]
    batches = [" ".join([*tries[n : n + AT_ONCE], "wait;"]) for n in range(0, len(tries), AT_ONCE)]
    lines = host.run("bash -c %s", " ".join(batches)).stdout.splitlines()
    return {(address, int(port)) for address, port in map(str.split, lines)}


def doors(topology: Topology, *kinds: str) -> set[Place]:
    """Return every door of some kinds of nodes: ``etcd``, ``pg``, ``haproxy``, ``pgbouncer``."""
    chosen = [door for door in DOORS if door.kind in kinds]
    return {(place.host, place.port) for door in chosen for place in door.places(topology)}


def entrances(topology: Topology) -> set[Place]:
    """Return every port that applications and PgBouncer use, on each of its node's networks."""
    s = topology.settings
    balancers = (s.haproxy_rw_port, s.haproxy_ro_port, s.haproxy_admin_port)
    rows = [(node, n, p) for node in HAPROXY for n in ("pool", "front") for p in balancers]
    rows += [(node, n, s.pgbouncer_port) for node in PGBOUNCER for n in ("pool", "front")]
    return {(str(topology.address(node, network)), port) for node, network, port in rows}
