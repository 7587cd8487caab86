"""The poolers' consoles, as their administrator by TLS: look, pause, resume.

Not by ``docker exec``: starting a process in a container takes up to a second on a busy machine,
an open console answers in milliseconds; and a password in a TLS session is on no command line.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import ClientCursor
from psycopg.pq import ExecStatus
from psycopg.rows import dict_row

from citadelle import connect
from citadelle.errors import CitadelleError
from citadelle.topology import PGBOUNCER, Topology
from citadelle.wire.records import SSL_ACCEPTED, SSL_REQUEST
from citadelle.workspace import Home

# PgBouncer's pseudo-database, and what it says of a RESUME without PAUSE (src/admin.c).
CONSOLE = "pgbouncer"
NOT_PAUSED = "is not paused"
# PgBouncer ends a PAUSE when its event loop turns; once nobody speaks, that is every 333 ms
# (full_maint_period in src/janitor.c). Any query on another console turns it.
NUDGE_SECONDS = 0.01
# A pooler that listens answers in milliseconds.
LISTEN_SECONDS = 3.0

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True)
class Database:
    """One database of one pooler; ``read_only`` when it leads to the replicas."""

    pooler: str
    name: str
    read_only: bool
    paused: bool


@dataclass
class Order:
    """One order on a console of its own; ``error`` once it was refused, in PgBouncer's words."""

    database: Database
    text: str
    connection: Connection
    error: str = ""


def console(topology: Topology, home: Home, pooler: str) -> Connection:
    """Open a pooler's console; CitadelleError when it does not answer."""
    s = topology.settings
    point = topology.endpoint("pooled", pooler)
    parameters = connect.parameters(topology, home, "pooled") | {
        "host": point.host,
        "port": str(point.port),
        "dbname": CONSOLE,
        "user": s.pgbouncer_admin_user,
        "password": s.pgbouncer_admin_password.reveal(),
    }
    try:
        # The console only speaks the simple protocol: ClientCursor, and no transaction.
        return psycopg.connect(
            **parameters, autocommit=True, cursor_factory=ClientCursor, row_factory=dict_row
        )
    except psycopg.Error as error:
        raise CitadelleError(f"La console de {pooler} ne répond pas : {_first(error)}") from None


def listens(topology: Topology, pooler: str) -> bool:
    """Tell whether a pooler takes clients: its published port offers TLS.

    Its health check asks its own socket, which is still there once the port is closed (a drain
    whose `roll` was killed, see :func:`close_port`).
    """
    point = topology.endpoint("pooled", pooler)
    try:
        with socket.create_connection((point.host, point.port), LISTEN_SECONDS) as raw:
            raw.sendall(SSL_REQUEST)
            return raw.recv(1) == SSL_ACCEPTED
    except OSError:
        return False


@contextmanager
def consoles(topology: Topology, home: Home) -> Iterator[dict[str, Connection]]:
    """Yield an open console of every pooler, by name."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(opened(topology, home, name)) for name in PGBOUNCER}


def opened(topology: Topology, home: Home, pooler: str) -> closing[Connection]:
    """Return a console for a ``with`` block.

    ``closing``: psycopg's own block would say ROLLBACK on a console that still waits for PAUSE.
    """
    return closing(console(topology, home, pooler))


def databases(topology: Topology, pooler: str, connection: Connection) -> list[Database]:
    """Return the applications' databases as the pooler has them now."""
    read_only = topology.settings.haproxy_ro_port
    return [
        Database(pooler, row["name"], int(row["port"]) == read_only, str(row["paused"]) == "1")
        for row in _rows(connection, "SHOW DATABASES")
        if row["name"] != CONSOLE
    ]


def paused(connection: Connection) -> bool:
    """Tell whether the pooler as a whole is paused or suspended (``PAUSE`` without a name)."""
    return {"key": "active", "value": "yes"} not in _rows(connection, "SHOW STATE")


def logging_in(connection: Connection) -> int:
    """Return how many connections to PostgreSQL are being opened."""
    return sum(int(row["sv_login"]) for row in _rows(connection, "SHOW POOLS"))


def clients(connection: Connection) -> int:
    """Return how many clients the pooler has, consoles not counted."""
    return sum(row["database"] != CONSOLE for row in _rows(connection, "SHOW CLIENTS"))


def close_idle(connection: Connection, seconds: float) -> None:
    """Close clients between two transactions for so long, from now on and until a restart."""
    _told(connection, f"SET client_idle_timeout = '{seconds}'")


def close_port(connection: Connection) -> None:
    """Take no new client, end once those that are there have left; only a restart undoes it."""
    _told(connection, "SHUTDOWN WAIT_FOR_CLIENTS")


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return _told(connection, query).fetchall()


def _told(connection: Connection, order: str) -> psycopg.Cursor[dict[str, Any]]:
    """Give an order to a console; CitadelleError when it is gone."""
    try:
        return connection.execute(order.encode())
    except psycopg.Error as error:
        raise CitadelleError(f"Une console de PgBouncer ne répond plus : {_first(error)}") from None


def resume(connection: Connection, database: str) -> bool:
    """Let a database's clients go on; return whether it was still paused."""
    try:
        connection.execute(f"RESUME {database}".encode())
    except psycopg.DatabaseError as error:
        if NOT_PAUSED in str(error):
            return False
        raise
    return True


def give(orders: Sequence[Order], seconds: float, idle: Collection[Connection] = ()) -> list[Order]:
    """Send every order at once; return those that did not end well within ``seconds``.

    One thread: a waiting PAUSE blocks its console only. An order that is still waiting leaves
    its connection unusable. On the ``idle`` consoles PgBouncer is made to look again meanwhile.
    """
    waiting = {order.connection.fileno(): order for order in orders}
    with selectors.DefaultSelector() as selector:
        for descriptor, order in list(waiting.items()):
            if _sent(order):
                selector.register(descriptor, selectors.EVENT_READ)
            else:
                del waiting[descriptor]
        deadline = time.monotonic() + seconds
        while waiting and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(min(left, NUDGE_SECONDS)):
                if _ended(waiting[key.fd]):
                    selector.unregister(key.fd)
                    del waiting[key.fd]
            _nudge(idle if waiting else ())
    late = list(waiting.values())
    return [order for order in orders if order.error or order in late]


def _sent(order: Order) -> bool:
    """Send an order; one that the console cannot be told is noted as its error."""
    try:
        order.connection.pgconn.send_query(order.text.encode())
        order.connection.pgconn.flush()
    except psycopg.OperationalError as error:
        order.error = _first(error)
        return False
    return True


def _nudge(idle: Iterable[Connection]) -> None:
    """Turn each pooler's event loop; one that is gone fails its own order."""
    for connection in idle:
        with suppress(psycopg.Error):
            connection.execute(b"SHOW VERSION")


def _ended(order: Order) -> bool:
    """Read what has come; note an error. Everything has come with the end of the answer."""
    connection = order.connection.pgconn
    try:
        connection.consume_input()
        while not connection.is_busy():
            result = connection.get_result()
            if result is None:
                return True
            if result.status == ExecStatus.FATAL_ERROR:
                order.error = result.get_error_message()
    except psycopg.OperationalError as error:
        order.error = _first(error)
        return True
    return False


def names(found: Iterable[Database]) -> str:
    """Return ``pgbouncer1/app, pgbouncer2/app`` for a message."""
    return ", ".join(f"{d.pooler}/{d.name}" for d in found)


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
