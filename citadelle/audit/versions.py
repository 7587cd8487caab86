"""The versions that really run, as each component says them."""

from __future__ import annotations

import re

from citadelle import engine
from citadelle.audit.control import Cluster
from citadelle.audit.reads import answer, inside, once, parameters
from citadelle.topology import ETCD, GATEWAYS, HAPROXY, PG, PGBOUNCER

# Component, where it runs, how it says its version, on the first line. PostgreSQL and Patroni are
# asked by their own protocols.
COMMANDS = (
    ("etcd", ETCD, ("etcd", "--version")),
    ("HAProxy", (*HAPROXY, *GATEWAYS), ("haproxy", "-v")),
    ("PgBouncer", PGBOUNCER, ("dpkg-query", "--show", "pgbouncer")),
    ("OpenSSL", PGBOUNCER[:1], ("dpkg-query", "--show", "libssl3t64")),
    ("Debian", PG[:1], ("cat", "/etc/debian_version")),
)


def numbers(text: str) -> tuple[int, ...]:
    """Return the first dotted number of a text, to compare; empty when there is none."""
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


@once
def said(cluster: Cluster, component: str) -> dict[str, str]:
    """Return what a component says of its version in each container."""
    if component == "PostgreSQL":
        return {node: parameters(cluster, node)["server_version"] for node in PG}
    if component == "Patroni":
        return {node: str(answer(cluster, node, "/patroni")["patroni"]["version"]) for node in PG}
    ((containers, argv),) = [row[1:] for row in COMMANDS if row[0] == component]
    lines = {name: inside(cluster, name, *argv).splitlines()[0] for name in containers}
    return {name: " ".join(line.split()) for name, line in lines.items()}


def all_said(cluster: Cluster) -> dict[str, str]:
    """Return each component's version; where several run at the same time, all of them."""
    names = ("PostgreSQL", "Patroni", *(row[0] for row in COMMANDS))
    found = {name: " ; ".join(sorted(set(said(cluster, name).values()))) for name in names}
    engine_version = engine.docker("version", "--format", "{{.Server.Version}}").strip()
    return {**found, "Docker Engine": engine_version}
