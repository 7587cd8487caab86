"""Every password of .env, every door that asks for one, and what the door says.

A door's answer carries a SQLSTATE (PostgreSQL, PgBouncer), an HTTP status (Patroni's REST API,
HAProxy's page), or that status and etcd's own words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from citadelle import clients, connect
from citadelle.etcd import PATRONI_USER
from citadelle.settings import Settings
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home
from tests.probes import admin, https, postgres, rest, sqlstate
from tests.probes.sqlstate import Answer

# By the name that the settings give the account; etcd's two have no variable for their user.
ACCOUNTS = (
    "postgres",
    "replicator",
    "rewind",
    "app",
    "monitoring",
    "pgbouncer_auth",
    "pgbouncer_admin",
    "patroni_rest",
    "haproxy_admin",
    "etcd_root",
    "etcd_patroni",
)
ETCD_USERS = {"etcd_root": "root", "etcd_patroni": PATRONI_USER}
CONSOLE = "pgbouncer"


def certificate(stem: Path) -> dict[str, str]:
    """Return libpq's parameters that show a client's certificate; by default it shows none."""
    return {"sslcert": f"{stem}.crt", "sslkey": f"{stem}.key", "sslcertmode": "allow"}


def login(settings: Settings, account: str) -> tuple[str, str]:
    """Return the user and the right password of an account."""
    user = ETCD_USERS.get(account) or str(getattr(settings, f"{account}_user"))
    return user, getattr(settings, f"{account}_password").reveal()


@dataclass(frozen=True)
class Door:
    """One service of one node that asks for a password, and the accounts that it is for."""

    service: str
    node: str
    opens: tuple[str, ...]

    @property
    def direct(self) -> bool:
        """Tell whether PostgreSQL is asked itself, and no pooler before it."""
        return self.service in ("rw", "ro", "pod")


CLIENTS = ("app", "monitoring")
DOORS = (
    *(Door(service, node, CLIENTS) for service in ("rw", "ro") for node in HAPROXY),
    *(Door("pod", node, CLIENTS) for node in PG),
    *(Door(service, node, CLIENTS) for service in ("pooled", "pooled_ro") for node in PGBOUNCER),
    *(Door("console", node, ("pgbouncer_admin", "monitoring")) for node in PGBOUNCER),
    *(Door("etcd", node, tuple(ETCD_USERS)) for node in ETCD),
    *(Door("rest", node, ("patroni_rest",)) for node in PG),
    *(Door("admin", node, ("haproxy_admin",)) for node in HAPROXY),
)


def place(topology: Topology, home: Home, door: Door) -> dict[str, object]:
    """Return libpq's parameters for one door of PostgreSQL or PgBouncer, the application's login.

    A console is a database of PgBouncer's own; a pod is its own address, past HAProxy.
    """
    if door.service == "pod":
        return postgres.direct(topology, home, door.node)
    service = {"console": "pooled"}.get(door.service, door.service)
    found = connect.parameters(topology, home, service)
    point = topology.endpoint("pooled" if service.startswith("pooled") else service, door.node)
    database = {"dbname": CONSOLE} if door.service == "console" else {}
    return found | {"host": point.host, "port": point.port} | database


def knock(topology: Topology, home: Home, door: Door, user: str, password: str) -> Answer:
    """Show a user and a password at a door and return what it says."""
    pair = (user, password)
    others: dict[str, Callable[[], Answer]] = {
        "etcd": lambda: _etcd(topology, home, door.node, pair),
        # A change that cannot be one: its body is missing (411 to whoever may ask).
        "rest": lambda: _http(
            rest.ask(topology, home, "operator", "PATCH /config", node=door.node, auth=pair)
        ),
        "admin": lambda: _http(admin.ask(topology, home, door.node, auth=pair)),
    }
    if door.service in others:
        return others[door.service]()
    shown = place(topology, home, door) | {"user": user, "password": password}
    return sqlstate.attempt(shown)


def _etcd(topology: Topology, home: Home, node: str, pair: tuple[str, str]) -> Answer:
    answer = https.request(
        clients.context(home, "dcs-client"),
        "POST",
        topology.address(node, "dcs"),
        topology.settings.etcd_client_port,
        "/v3/auth/authenticate",
        server_name=node,
        body=dict(zip(("name", "password"), pair, strict=True)),
    )
    return Answer(str(answer.status_code), str(answer.json().get("message", "")))


def _http(answer: httpx.Response) -> Answer:
    return Answer(str(answer.status_code), answer.text[:200])
