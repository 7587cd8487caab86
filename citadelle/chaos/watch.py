"""Who accepts a write at this moment? Asked five times a second, by writes really committed.

Each PostgreSQL is asked itself, and whoever each load balancer leads to. The watcher is the
application's role, on the host: he reaches each pod by its own address, past HAProxy. Nothing
that he asks may outlast a few seconds, whatever the fault.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from citadelle import connect
from citadelle.chaos.judge import Judge, Outcome, Sample
from citadelle.errors import CitadelleError
from citadelle.stress.session import Connection, patient
from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home

PERIOD_SECONDS = 0.2
# A commit takes milliseconds; one that waits for a dead standby is not acknowledged.
ANSWER_SECONDS = 1.0
# libpq's smallest (manual, 34.1.2, connect_timeout).
CONNECT_SECONDS = 2
# A load balancer decides per connection: a new one each second sees where it leads now.
RENEW_SECONDS = 1.0
# A probe in the middle of a connection and of a write, and then some.
JOIN_SECONDS = 10.0

TABLE = """
CREATE TABLE IF NOT EXISTS citadelle_watch
    (probe text PRIMARY KEY, writes bigint NOT NULL DEFAULT 1)"""
DROP = "DROP TABLE IF EXISTS citadelle_watch"
# One statement without parameters: one simple query, whose end comes after the commit.
# `listen_addresses` holds the pod's own address: the server tells who it is, whoever led here.
WRITE = """
INSERT INTO citadelle_watch AS w (probe) VALUES ('{probe}')
ON CONFLICT (probe) DO UPDATE SET writes = w.writes + 1
RETURNING pg_catalog.current_setting('listen_addresses'),
    pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)"""


@dataclass(frozen=True)
class Place:
    """Where a probe asks, and for how long it keeps a connection (seconds; None: always)."""

    name: str
    parameters: dict[str, Any]
    renewed: float | None = None


def places(topology: Topology, home: Home) -> list[Place]:
    """Return each PostgreSQL by its own address, and each load balancer's R/W port."""
    common: dict[str, Any] = connect.parameters(topology, home, "rw") | {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "citadelle-chaos",
        "options": f"-c statement_timeout={ANSWER_SECONDS:.0f}s",
    }
    found = []
    for node in PG:
        address = {"host": node, "hostaddr": str(topology.address(node, "pg"))}
        found.append(Place(node, {**common, **address, "port": topology.settings.pg_port}))
    for node in HAPROXY:
        point = topology.endpoint("rw", node)
        found.append(Place(node, {**common, "host": point.host, "port": point.port}, RENEW_SECONDS))
    return found


class Probe:
    """One place, one connection, one write per call."""

    def __init__(self, place: Place, names: dict[str, str]) -> None:
        self.place = place
        self._names = names  # node by address
        self._connection: Connection | None = None
        self._opened = 0.0
        self._statement = WRITE.format(probe=place.name).encode()

    def sample(self) -> Sample:
        """Try once to write; a failure is an answer too."""
        started = time.monotonic()
        try:
            connection = self._current()
        except psycopg.Error:
            return self._ended(started, Outcome.UNREACHABLE)
        try:
            row = connection.execute(self._statement).fetchone()
        except psycopg.Error as error:
            return self._failed(started, connection, error)
        return self._acknowledged(started, row)

    def close(self) -> None:
        """Leave without a word to a server that may not listen."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _current(self) -> Connection:
        renewed = self.place.renewed
        if renewed is not None and time.monotonic() - self._opened > renewed:
            self.close()
        if self._connection is None:
            expired = patient(lambda since: time.monotonic() - since > ANSWER_SECONDS)
            self._connection = expired.connect(**self.place.parameters, autocommit=True)
            self._opened = time.monotonic()
        return self._connection

    def _failed(self, started: float, connection: Connection, error: psycopg.Error) -> Sample:
        """A server that says no keeps its connection; one that says nothing loses it."""
        if error.sqlstate is not None and not connection.closed:
            return self._ended(started, Outcome.REFUSED)
        self.close()
        return self._ended(started, Outcome.SILENT)

    def _acknowledged(self, started: float, row: tuple[str, str] | None) -> Sample:
        addresses, timeline = row or ("", "0")
        node = next((n for a, n in self._names.items() if a in addresses.split(",")), "?")
        now, outcome = time.monotonic(), Outcome.ACKNOWLEDGED
        return Sample(self.place.name, started, now, outcome, node, int(timeline, 16))

    def _ended(self, started: float, outcome: Outcome) -> Sample:
        return Sample(self.place.name, started, time.monotonic(), outcome)


@contextmanager
def watching(topology: Topology, home: Home) -> Iterator[Judge]:
    """Look at every place while the block lasts; the judge knows more and more.

    Raises:
        CitadelleError: when the table cannot be made, or a probe does not end.
    """
    _prepare(topology, home)
    names = {str(topology.address(node, "pg")): node for node in PG}
    judge, stop = Judge(), threading.Event()
    died: list[BaseException] = []

    def look(place: Place) -> None:
        try:
            repeat(Probe(place, names), judge.add, stop)
        except BaseException as error:
            died.append(error)
            raise

    threads = [
        threading.Thread(target=look, args=(place,), daemon=True)
        for place in places(topology, home)
    ]
    for thread in threads:
        thread.start()
    try:
        yield judge
    finally:
        stop.set()
        for thread in threads:
            thread.join(JOIN_SECONDS)
    if any(thread.is_alive() for thread in threads):
        raise CitadelleError("Un veilleur ne s'arrête pas : son constat n'est pas complet.")
    if died:
        raise CitadelleError(f"Un veilleur est mort ({died[0]!r}) : son constat n'est pas complet.")


def repeat(probe: Probe, report: Callable[[Sample], None], stop: threading.Event) -> None:
    """Sample at a fixed rhythm; a sample that took longer is followed by the next at once."""
    try:
        while not stop.is_set():
            start = time.monotonic()
            report(probe.sample())
            stop.wait(max(0.0, start + PERIOD_SECONDS - time.monotonic()))
    finally:
        probe.close()


def _prepare(topology: Topology, home: Home) -> None:
    _by_application(topology, home, TABLE)


def clear(topology: Topology, home: Home) -> None:
    """Remove the watcher's table; CitadelleError when the cluster takes no write."""
    _by_application(topology, home, DROP)


def _by_application(topology: Topology, home: Home, statement: str) -> None:
    try:
        with connect.connection(topology, home, "rw") as connection:
            connection.execute(statement.encode())
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise CitadelleError(f"Table du veilleur : {said}\nVoir « invoke status ».") from None
