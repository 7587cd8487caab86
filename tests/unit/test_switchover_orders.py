"""Orders to several consoles at once, over sockets that answer when they are told to."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus

from citadelle import poolers
from citadelle.errors import CitadelleError
from citadelle.poolers import Database, Order
from tests.unit.pki_home import CLUSTER

DONE, REFUSED = b"1", b"0"
LIMIT_SECONDS = 0.2


class Result:
    """A PGresult."""

    def __init__(self, status: ExecStatus) -> None:
        self.status = status

    def get_error_message(self) -> str:
        """Return PgBouncer's words."""
        return "no such database: app"


class Wire:
    """A console and its libpq connection in one; the other end answers one byte."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.pgconn = self
        self.sent = b""
        self.results: list[Result | None] = []

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self.here.fileno()

    def send_query(self, order: bytes) -> None:
        """Note the order."""
        self.sent = order

    def flush(self) -> None:
        """Nothing is buffered."""

    def consume_input(self) -> None:
        """Read the answer."""
        good = self.here.recv(1) == DONE
        status = ExecStatus.COMMAND_OK if good else ExecStatus.FATAL_ERROR
        self.results = [Result(status), None]

    def is_busy(self) -> bool:
        """Tell whether the answer is still to come."""
        return not self.results

    def get_result(self) -> Result | None:
        """Return one result, then None."""
        return self.results.pop(0)


@pytest.fixture
def wires() -> Iterator[list[Any]]:
    """Two consoles."""
    both = [Wire(), Wire()]
    yield both
    for wire in both:
        wire.here.close()
        wire.there.close()


def give(wires: list[Any]) -> list[str]:
    """Give both an order; return the poolers that did not do it, with the reason."""
    names = [Database(f"pgbouncer{n}", "app", False, False) for n in (1, 2)]
    orders = [Order(d, "PAUSE app", wire) for d, wire in zip(names, wires, strict=True)]
    return [f"{o.database.pooler} {o.error}" for o in poolers.give(orders, LIMIT_SECONDS)]


def test_all_done(wires: list[Any]) -> None:
    """Every console answered."""
    for wire in wires:
        wire.there.send(DONE)

    assert give(wires) == []
    assert [wire.sent for wire in wires] == [b"PAUSE app"] * 2


def test_silence_has_a_limit(wires: list[Any]) -> None:
    """A transaction that lasts: the other console's answer does not wait for it."""
    wires[1].there.send(DONE)

    assert give(wires) == ["pgbouncer1 "]


def test_pooler_that_waits_is_made_to_look_again(wires: list[Any]) -> None:
    """PgBouncer ends a PAUSE only when something turns its event loop, dead consoles or not."""
    asked: list[bytes] = []

    class Idle:
        def execute(self, query: bytes) -> None:
            asked.append(query)
            wires[0].there.send(DONE)
            raise psycopg.OperationalError("gone")

    wires[1].there.send(DONE)
    [order] = [Order(Database("pgbouncer1", "app", False, False), "PAUSE app", wires[0])]

    assert poolers.give([order], LIMIT_SECONDS, [Idle()]) == []  # type: ignore[list-item]
    assert asked == [b"SHOW VERSION"]


def test_refusal_is_told(wires: list[Any]) -> None:
    """In PgBouncer's words."""
    wires[0].there.send(DONE)
    wires[1].there.send(REFUSED)

    assert give(wires) == ["pgbouncer2 no such database: app"]


def test_console_that_cannot_be_told_is_late(
    wires: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With libpq's reason, and the other console is asked all the same."""

    def gone(_order: bytes) -> None:
        raise psycopg.OperationalError("no connection to the server")

    monkeypatch.setattr(wires[0], "send_query", gone)
    wires[1].there.send(DONE)

    assert give(wires) == ["pgbouncer1 no connection to the server"]
    assert wires[1].sent == b"PAUSE app"


@pytest.mark.parametrize(
    "ask",
    [
        lambda console: poolers.databases(CLUSTER, "pgbouncer1", console),
        poolers.paused,
        poolers.logging_in,
        poolers.clients,
        lambda console: poolers.close_idle(console, 0.5),
        poolers.close_port,
    ],
)
def test_console_that_is_gone_is_an_operator_s_error(ask: Callable[[Any], object]) -> None:
    """One line, not psycopg's traceback."""

    class Gone:
        def execute(self, _order: bytes) -> None:
            raise psycopg.OperationalError("server closed the connection\nunexpectedly")

    with pytest.raises(CitadelleError, match=r"ne répond plus : server closed the connection$"):
        ask(Gone())


def test_orders_are_sent_before_any_answer(wires: list[Any]) -> None:
    """Together: no pooler's clients wait for another pooler's transactions."""
    give(wires)

    assert [wire.sent for wire in wires] == [b"PAUSE app"] * 2
