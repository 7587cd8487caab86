"""PostgreSQL from both sides: a client's first packets, a superuser's own session in a container.

Made without the package's own constants (citadelle.wire, citadelle.audit): these tests judge it.
"""

from __future__ import annotations

import struct
from typing import Any

from citadelle import accounts, connect, engine
from citadelle.topology import Topology
from citadelle.workspace import Home

# PostgreSQL manual, 53.7 (message formats): length, then a code.
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)
CANCEL_REQUEST = struct.pack("!IIII", 16, 80877102, 1, 1)
PROTOCOL = 196608  # version 3.0
# The password goes by standard input to a file of the container's memory: no argv, no env.
PSQL = """
umask 077; file=$(mktemp); trap 'rm -f "$file"' EXIT; cat > "$file"
PGPASSFILE="$file" psql --no-password --no-psqlrc --tuples-only --no-align --command "$2" "$1"
"""


def startup(user: str, database: str) -> bytes:
    """Return a StartupMessage of protocol 3.0: the first packet of a client without TLS."""
    names = f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack("!II", 8 + len(names), PROTOCOL) + names


def direct(topology: Topology, home: Home, node: str) -> dict[str, Any]:
    """Return libpq's parameters for a node's own address and name, past the load balancers."""
    port = topology.settings.pg_port
    place = {"host": node, "hostaddr": str(topology.address(node, "pg")), "port": port}
    return connect.parameters(topology, home, "rw") | place


def rows(topology: Topology, node: str, sql: str, *, database: str = "postgres") -> list[str]:
    """Run SQL as superuser by a node's socket; one text per row, columns parted by ``|``."""
    return accounts.run_sql(topology, node, sql, database=database).splitlines()


def psql(topology: Topology, container: str, login: tuple[str, str], options: str, sql: str) -> str:
    """Run SQL from inside a container, as a user by his password, over the network it is on.

    Raises:
        CitadelleError: when psql fails, in its own words.
    """
    user, password = login
    name, line = f"{topology.settings.cluster_name}-{container}", f"*:*:*:{user}:{password}\n"
    argv = ("sh", "-c", PSQL, "sh", f"{options} user={user} gssencmode=disable", sql)
    return engine.execute(name, *argv, stdin=line.encode()).strip()
