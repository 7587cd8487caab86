"""Every password of .env, every door that asks for one, what the door says, what it writes down.

A door's answer carries a SQLSTATE (PostgreSQL, PgBouncer), an HTTP status (Patroni's REST API,
HAProxy's page), or that status and etcd's own words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpx

from citadelle import clients, connect, engine
from citadelle.etcd import PATRONI_USER
from citadelle.progress import wait_until
from citadelle.settings import Settings
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home
from tests.security import _sqlstate
from tests.security._sqlstate import Answer

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
# The engine writes a container's line within milliseconds; a busy machine within seconds.
LOG_SECONDS = 10


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
    service = {"pod": "rw", "console": "pooled"}.get(door.service, door.service)
    found = connect.parameters(topology, home, service)
    if door.service == "pod":
        address, port = topology.address(door.node, "pg"), topology.settings.pg_port
        return found | {"host": door.node, "hostaddr": address, "port": port}
    point = topology.endpoint("pooled" if service.startswith("pooled") else service, door.node)
    database = {"dbname": CONSOLE} if door.service == "console" else {}
    return found | {"host": point.host, "port": point.port} | database


def knock(topology: Topology, home: Home, door: Door, user: str, password: str) -> Answer:
    """Show a user and a password at a door and return what it says."""
    others: dict[str, Callable[[], Answer]] = {
        "etcd": lambda: _etcd(topology, home, door.node, user, password),
        "rest": lambda: _rest(topology, home, door.node, (user, password)),
        "admin": lambda: _admin(topology, home, door.node, (user, password)),
    }
    if door.service in others:
        return others[door.service]()
    shown = place(topology, home, door) | {"user": user, "password": password}
    return _sqlstate.attempt(shown)


def _etcd(topology: Topology, home: Home, node: str, user: str, password: str) -> Answer:
    answer = clients.request(
        clients.context(home, "dcs-client"),
        "POST",
        topology.address(node, "dcs"),
        topology.settings.etcd_client_port,
        "/v3/auth/authenticate",
        server_name=node,
        body={"name": user, "password": password},
    )
    return Answer(str(answer.status_code), str(answer.json().get("message", "")))


def _rest(topology: Topology, home: Home, node: str, auth: tuple[str, str]) -> Answer:
    """Ask for a change that cannot be one: its body is missing (411 to whoever may ask)."""
    answer = clients.request(
        clients.context(home, "rest"),
        "PATCH",
        topology.address(node, "pg"),
        topology.settings.patroni_rest_port,
        "/config",
        server_name=node,
        auth=auth,
    )
    return _http(answer)


def _admin(topology: Topology, home: Home, node: str, auth: tuple[str, str]) -> Answer:
    point = topology.endpoint("admin", node)
    tls = clients.context(home, "admin", None)
    return _http(
        clients.request(tls, "GET", point.host, point.port, "/", server_name=node, auth=auth)
    )


def _http(answer: httpx.Response) -> Answer:
    return Answer(str(answer.status_code), answer.text[:200])


def logged(topology: Topology, container: str, since: datetime, *needles: str) -> None:
    """Wait for a line of a container's log, written since then, that holds all the needles.

    Raises:
        CitadelleError: when there is none.
    """

    def missing() -> str | None:
        lines = log(topology, container, since).splitlines()
        found = any(all(needle in line for needle in needles) for line in lines)
        return None if found else f"pas de ligne avec {needles}"

    wait_until(missing, f"Journal de {container}", LOG_SECONDS, f"invoke logs --node {container}")


def log(topology: Topology, container: str, since: datetime) -> str:
    """Return what a container wrote since then; Compose joins both its outputs, Docker does not."""
    cluster = topology.settings.cluster_name
    options = ["--no-color", "--no-log-prefix", "--since", since.isoformat()]
    return engine.docker("compose", "--project-name", cluster, "logs", *options, container)
