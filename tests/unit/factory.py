"""Valid settings for tests, derived from the kinds of the fields: no ``.env`` is needed.

``factory.topology(CERT_DAYS="90")`` is a cluster like any other but for one variable.
"""

from __future__ import annotations

from collections.abc import Callable

from citadelle import settings
from citadelle.topology import Topology

# Where a kind cannot tell a value: its meaning binds it to others, or it has several uses.
VALUES = {
    "CLUSTER_NAME": "citadelle",
    "BASE_IMAGE": "registre.test/debian@sha256:" + "0" * 64,
    "DEBIAN_MIRROR": "",
    "SERVER_EXTRA_NAMES": "",
    # The last node of each kind is remote, as in .env.example.
    "DATACENTERS": "dc1,dc2",
    "ETCD3_DC": "dc2",
    "PG3_DC": "dc2",
    "HAPROXY2_DC": "dc2",
    "PGBOUNCER2_DC": "dc2",
    "APP_DATABASE": "app",
    "REMOTE_REPLICATION": "asynchrone",
    "HAPROXY_RO_PREFERENCE": "locale",
    "HAPROXY_RO_PRIMARY": "jamais",
    "ETCD_CLIENT_PORT": "2379",
    "ETCD_PEER_PORT": "2380",
    "PG_PORT": "5432",
    "PATRONI_REST_PORT": "8008",
    "GATEWAY_PORT": "8443",
    "PG1_PRIORITY": "100",
    "PG2_PRIORITY": "100",
    "PG3_PRIORITY": "10",
    "CERT_DAYS": "90",
    "CERT_RENEW_DAYS": "30",
    "CA_DAYS": "3650",
    "PATRONI_TTL": "30",
    "PATRONI_LOOP_WAIT": "10",
    "PATRONI_RETRY_TIMEOUT": "10",
    "PG_MAX_CONNECTIONS": "200",
    "PG_SHARED_BUFFERS_MB": "128",
    "PGBOUNCER_POOL_SIZE": "20",
    "PGBOUNCER_MAX_CLIENTS": "1000",
    "POOLING": "souple",
    "PG_HBA_EXTRA": "",
    "HAPROXY_CLIENTS_PER_ADDRESS": "30",
    "PGBOUNCER_CLIENTS_PER_ADDRESS": "500",
    "CONNECTIONS_PER_SECOND": "100",
    "FENCER": "non",
}

NAMES = list(settings.FIELDS)
# Everything in one datacentre.
ONE_SITE = {name: "dc1" for name in NAMES if name.endswith("_DC")} | {"DATACENTERS": "dc1"}
KINDS: dict[str, Callable[[str], str]] = {
    "address": lambda _: "127.0.0.1",
    "datacenter": lambda _: "dc1",
    "cluster": lambda _: "citadelle",
    "database": lambda _: "application",
    "port": lambda name: str(20000 + NAMES.index(name)),
    "secret": lambda name: f"fictif.{name}.0123456789",
    "subnet": lambda _: "10.209.64.0/22",
    "user": lambda name: name.lower().removesuffix("_user"),
}


def _value(name: str) -> str:
    kind = settings.FIELDS[name].metadata["kind"].partition("/")[0]
    return VALUES[name] if name in VALUES else KINDS[kind](name)


def env(**overrides: str) -> dict[str, str]:
    """Return the variables of a valid ``.env``, some replaced."""
    return {name: _value(name) for name in NAMES} | overrides


def topology(**overrides: str) -> Topology:
    """Return the cluster of these variables."""
    return Topology(settings.parse(env(**overrides)))
