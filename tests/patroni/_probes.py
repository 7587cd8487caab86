"""What the tests of this layer ask of a pod: PostgreSQL's own words, Patroni's own code."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from ipaddress import IPv4Address
from typing import Any

import psycopg

from citadelle import accounts, clients, engine
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.etcd._probes import ANSWER_SECONDS

# Protocol 3.0, and the code by which a client asks for TLS (PostgreSQL manual, 53.7).
PROTOCOL = 196608
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def refusal(
    tls: ssl.SSLContext | None, address: IPv4Address, name: str, port: int, **startup: str
) -> tuple[str, str]:
    """Return the SQLSTATE and the message that answer a StartupMessage, before any password.

    libpq keeps the SQLSTATE of a refused connection to itself.
    """
    words = [word for pair in startup.items() for word in pair]
    body = struct.pack("!i", PROTOCOL) + "".join(f"{word}\0" for word in words).encode() + b"\0"
    with socket.create_connection((str(address), port), ANSWER_SECONDS) as raw:
        connection = raw
        if tls:
            raw.sendall(SSL_REQUEST)
            assert raw.recv(1) == b"S"
            connection = tls.wrap_socket(raw, server_hostname=name)
        with connection:
            connection.sendall(struct.pack("!i", len(body) + 4) + body)
            answer = connection.recv(8192)
    assert answer[:1] == b"E", f"réponse {answer[:1]!r} au lieu d'une erreur"
    fields = {f[:1]: f[1:] for f in answer[5:].decode().split("\0") if f}
    return fields["C"], fields["M"]


def direct(topology: Topology, home: Home, node: str, **changes: str) -> psycopg.Connection[Any]:
    """Connect to a node's own address, past the load balancers, name verified."""
    options: dict[str, str] = {
        "host": node,
        "hostaddr": str(topology.address(node, "pg")),
        "port": str(topology.settings.pg_port),
        "dbname": "postgres",
        "sslmode": "verify-full",
        "sslrootcert": str(home.pki / "server" / "ca.crt"),
        "gssencmode": "disable",
        "connect_timeout": "5",
    }
    return psycopg.connect(**(options | changes), autocommit=True)  # type: ignore[arg-type]  # libpq's words


def rows(topology: Topology, node: str, sql: str, *, database: str = "postgres") -> list[str]:
    """Run SQL as superuser by a node's socket; one text per row, columns parted by ``|``."""
    return accounts.run_sql(topology, node, sql, database=database).splitlines()


def rest(home: Home, name: str) -> ssl.SSLContext:
    """Return a context that shows one certificate of the plane ``rest``."""
    return clients.context(home, "rest", name)


# Runs inside a pod with Patroni's interpreter: the merge is Patroni's, the cluster sees nothing.
MERGE = """
import json, logging, sys
from patroni.config import Config
logging.disable(logging.CRITICAL)
config = Config('/etc/citadelle/patroni.yml')
config.set_dynamic_configuration(json.loads(%r))
found = config.copy()
for section in ('restapi', 'etcd3', 'ctl'):
    found.pop(section, None)
found['postgresql'].pop('authentication')
found['postgresql']['parameters'] = dict(found['postgresql']['parameters'])
print(json.dumps(found))
"""


# What a replica would run if the leader's own key in etcd, ``/members/<name>``, said so.
FOLLOW = """
import json
from types import SimpleNamespace as Fake
from patroni.dcs import Member
from patroni.postgresql.config import ConfigHandler
member = Member.from_node(1, 'evil', '1', json.dumps({'restore_command': '/tmp/evil'}))
handler = Fake(
    get=lambda name: None,
    primary_conninfo_params=lambda member: None,
    _postgresql=Fake(major_version=170000),
)
print(dict(ConfigHandler.build_recovery_params(handler, member)).get('restore_command', ''))
"""


def followed(topology: Topology, node: str) -> str:
    """Return the restore_command that Patroni takes from a hostile member key."""
    container = f"{topology.settings.cluster_name}-{node}"
    argv = ("/opt/patroni/bin/python", "-")
    return engine.execute(container, *argv, stdin=FOLLOW.encode()).strip()


def merged(topology: Topology, node: str, dynamic: dict[str, Any]) -> dict[str, Any]:
    """Return Patroni's configuration as it would be with this ``/config`` in etcd."""
    script = MERGE % json.dumps(dynamic)
    container = f"{topology.settings.cluster_name}-{node}"
    output = engine.execute(container, "/opt/patroni/bin/python", "-", stdin=script.encode())
    found: dict[str, Any] = json.loads(output)
    return found
