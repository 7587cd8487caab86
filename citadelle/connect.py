"""How an application connects: both hosts, verify-full, its own account; nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg

from citadelle.progress import wait_until
from citadelle.topology import Topology
from citadelle.workspace import Home

# A new connection through two proxies takes milliseconds; during a failover, seconds.
CONNECT_SECONDS = 5
# A committed row reaches the asynchronous replica in milliseconds at rest.
REPLICATION_SECONDS = 10


def parameters(topology: Topology, home: Home, service: str) -> dict[str, Any]:
    """Return libpq's parameters for one service: ``rw``, ``ro``, ``pooled``, ``pooled_ro``."""
    s = topology.settings
    pooled = service.startswith("pooled")
    entrance = "pooled" if pooled else service
    points = [e for e in topology.endpoints if e.service == entrance]
    return {
        "host": ",".join(e.host for e in points),
        "port": ",".join(str(e.port) for e in points),
        "dbname": s.app_database + ("_ro" if service == "pooled_ro" else ""),
        "user": s.app_user,
        "password": s.app_password.reveal(),
        "sslmode": "verify-full",
        "sslrootcert": str(home.pki / "server" / "ca.crt"),
        "connect_timeout": CONNECT_SECONDS,
        "gssencmode": "disable",
        # Whatever the operator's account has for its own use: ~/.postgresql, PGOPTIONS.
        "sslcertmode": "disable",
        "options": "",
    }


def connection(topology: Topology, home: Home, service: str) -> psycopg.Connection[Any]:
    """Open one connection in autocommit; psycopg.Error when it is refused."""
    return psycopg.connect(**parameters(topology, home, service), autocommit=True)


def round_trip(topology: Topology, home: Home) -> None:
    """Write through one entrance of the application and read through the others.

    With POOLING=strict, the application has no other entrances than the poolers'.
    """
    strict = topology.settings.pooling == "strict"
    writer, *readers = ("pooled", "pooled_ro") if strict else ("rw", "pooled", "ro", "pooled_ro")
    marker = write(topology, home, writer)
    for service in readers:
        with connection(topology, home, service) as reader:
            _await_row(reader, marker)


def write(topology: Topology, home: Home, service: str) -> str:
    """Commit one row through a R/W entrance and return its marker."""
    marker = uuid.uuid4().hex
    with connection(topology, home, service) as rw:
        rw.execute("CREATE TABLE IF NOT EXISTS citadelle_ready (marker text, at timestamptz)")
        rw.execute("DELETE FROM citadelle_ready WHERE at < now() - interval '1 hour'")
        rw.execute("INSERT INTO citadelle_ready VALUES (%s, now())", [marker])
    return marker


def _await_row(reader: psycopg.Connection[Any], marker: str) -> None:
    """Read until the row is there; a replica may be a moment late."""
    query = "SELECT 1 FROM citadelle_ready WHERE marker = %s"

    def missing() -> str | None:
        return None if reader.execute(query, [marker]).fetchone() else "absente"

    wait_until(missing, "Ligne écrite, lue sur le réplica", REPLICATION_SECONDS, poll=0.1)
