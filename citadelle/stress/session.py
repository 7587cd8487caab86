"""How the load's clients connect: through psycopg's pool, or anew for each request."""

from __future__ import annotations

import logging
import select
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg_pool import ConnectionPool, PoolTimeout

from citadelle.stress.plan import Plan

# An answer is awaited a little longer than PgBouncer keeps a request waiting for a server
# (query_wait_timeout, 60 s): beyond, nobody will answer.
ANSWER_SECONDS = 65.0
# Once the run is over, requests in flight have this long; then they are in doubt.
STOP_SECONDS = 10.0
# How long a request waits for a connection before the application sees an error: psycopg_pool's
# own default (`timeout`).
PATIENCE_SECONDS = 30.0
# psycopg_pool tries again after 1, 2, 4, 8... s, which would be measured instead of the cluster:
# it gives up after RETRY_SECONDS, and each waiting request starts it again after twice that.
RETRY_SECONDS = 0.1
# A dead peer is noticed as PgBouncer notices one (config/pgbouncer/pgbouncer.ini.j2).
DEAD_PEER = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# Threads that connect in the background: a frozen host holds each for seconds.
CONNECTORS = 16
NAME = "citadelle-stress"

Connection = psycopg.Connection[Any]
Expired = Callable[[float], bool]


class AnswerTimeout(psycopg.OperationalError):
    """No answer in time: what was asked may have been done."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection that does not wait for an answer for ever (libpq has no such timeout)."""

    @staticmethod
    def expired(since: float) -> bool:
        """Tell whether to give up what has been awaited since this moment (monotonic)."""
        return time.monotonic() - since > ANSWER_SECONDS

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Drive one exchange, raise AnswerTimeout when it has expired."""
        return super().wait(self._bounded(gen), interval=interval, timeout=timeout)

    def _bounded(self, gen: PQGen[RV]) -> PQGen[RV]:
        start = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and self.expired(start):
                    raise AnswerTimeout(f"pas de réponse en {time.monotonic() - start:.0f} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result


def patient(expired: Expired) -> type[PatientConnection]:
    """Return a class of connections with this rule of patience."""
    return type("Connection", (PatientConnection,), {"expired": staticmethod(expired)})


class PerRequest:
    """A connection for each request: every refusal is an error that the application sees."""

    def __init__(self, parameters: dict[str, Any], expired: Expired) -> None:
        self._class = patient(expired)
        self._parameters = parameters | DEAD_PEER | {"application_name": NAME}

    @contextmanager
    def borrow(self) -> Iterator[Connection]:
        """Connect, lend, close; psycopg.Error when refused."""
        connection = self._class.connect(**self._parameters, autocommit=True)
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing is kept."""


class Pooled:
    """psycopg's pool, one connection per client: broken ones are replaced in the background."""

    def __init__(
        self,
        parameters: dict[str, Any],
        expired: Expired,
        plan: Plan,
        refused: Callable[[Exception], None],
        over: Callable[[], bool],
    ) -> None:
        self._over = over
        name = f"{NAME}-{uuid.uuid4().hex}"
        self._log = _Refusals(name, refused)
        logging.getLogger("psycopg.pool").addHandler(self._log)
        self._pool = ConnectionPool(
            connection_class=patient(expired),
            kwargs=parameters | DEAD_PEER | {"application_name": NAME, "autocommit": True},
            min_size=plan.threads,
            max_size=plan.threads,
            max_lifetime=plan.lifetime_seconds,
            name=name,
            reconnect_timeout=RETRY_SECONDS,
            num_workers=min(plan.threads, CONNECTORS),
            open=True,
        )

    @contextmanager
    def borrow(self) -> Iterator[Connection]:
        """Lend a connection that is not known to be broken; PoolTimeout when none comes."""
        connection = self._get()
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=STOP_SECONDS)
        logging.getLogger("psycopg.pool").removeHandler(self._log)

    def _get(self) -> PatientConnection:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                connection = self._pool.getconn(timeout=2 * RETRY_SECONDS)
            except PoolTimeout:
                if time.monotonic() > deadline or self._over():
                    waited = f"aucune connexion en {PATIENCE_SECONDS:.0f} s"
                    raise PoolTimeout(waited) from None
                continue
            if usable(connection):
                return connection
            self._pool.putconn(connection)


def usable(connection: Connection) -> bool:
    """Tell whether nobody has closed an idle connection; costs no round trip."""
    try:
        while not connection.closed and select.select([connection], [], [], 0)[0]:
            connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return not connection.closed


class _Refusals(logging.Handler):
    """The pool says only in its log why it could not connect."""

    def __init__(self, pool: str, refused: Callable[[Exception], None]) -> None:
        super().__init__(logging.WARNING)
        self._pool = pool
        self._refused = refused

    def emit(self, record: logging.LogRecord) -> None:
        arguments = record.args if isinstance(record.args, tuple) else ()
        if self._pool in arguments:
            for error in arguments:
                if isinstance(error, psycopg.Error):
                    self._refused(error)
