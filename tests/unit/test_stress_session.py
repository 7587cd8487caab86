"""How clients hold their connections: never for ever, and never a dead one knowingly."""

from __future__ import annotations

import logging
import socket
from collections.abc import Generator, Iterator
from typing import Any, cast

import psycopg
import pytest

from citadelle.stress import session
from citadelle.stress.session import AnswerTimeout, Connection, PatientConnection
from tests.unit.stress_lab import LOST


def exchange() -> Generator[str, int, str]:
    """Wait for the server twice, as psycopg's generators do, then return."""
    yield "read"
    yield "read again"
    return "answer"


def bounded(expired: bool) -> Generator[str, int, str]:
    """Return the same exchange, on a connection whose patience is at an end or not."""
    kind = session.patient(lambda _since: expired)
    instance = cast(Any, PatientConnection._bounded)
    return cast("Generator[str, int, str]", instance(kind, exchange()))


def test_silence_is_given_up_when_patience_ends() -> None:
    """The generator is told that nothing is ready: the request fails, in doubt."""
    waiting = bounded(expired=True)
    next(waiting)

    with pytest.raises(AnswerTimeout, match="pas de réponse"):
        waiting.send(0)


def test_silence_is_borne_before() -> None:
    """It waits on."""
    waiting = bounded(expired=False)

    assert (next(waiting), waiting.send(0)) == ("read", "read again")


def test_answer_passes_whatever_the_time() -> None:
    """A server that speaks at last is heard."""
    waiting = bounded(expired=True)
    next(waiting)
    waiting.send(1)

    with pytest.raises(StopIteration) as end:
        waiting.send(1)
    assert end.value.value == "answer"


class Line:
    """A connection's socket, and libpq on it."""

    closed = False

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.pgconn = self

    def fileno(self) -> int:
        """Return what select() looks at."""
        return self.end.fileno()

    def consume_input(self) -> None:
        """Read as libpq does: the end of the stream is an error."""
        if not self.end.recv(100):
            raise LOST


@pytest.fixture
def line() -> Iterator[tuple[Connection, socket.socket]]:
    """An idle connection, and the server's end of it."""
    near, far = socket.socketpair()
    with near, far:
        yield cast(Connection, Line(near)), far


def test_idle_connection_is_usable(line: tuple[Connection, socket.socket]) -> None:
    """Nothing to read: nobody hung up."""
    assert session.usable(line[0])


def test_closed_connection_is_not(line: tuple[Connection, socket.socket]) -> None:
    """The server, or a load balancer, hung up: known before anything is sent."""
    line[1].close()

    assert not session.usable(line[0])


def test_notice_does_not_condemn(line: tuple[Connection, socket.socket]) -> None:
    """Something to read is not an end."""
    line[1].send(b"notice")

    assert session.usable(line[0])


def test_last_words_are_an_end(line: tuple[Connection, socket.socket]) -> None:
    """« terminating connection », then silence for ever."""
    line[1].send(b"FATAL")
    line[1].close()

    assert not session.usable(line[0])


@pytest.mark.parametrize(("pool", "expected"), [("ours", [LOST]), ("another", [])])
def test_refusals_of_our_own_pool_are_counted(pool: str, expected: list[psycopg.Error]) -> None:
    """The pool tells its log alone why it could not connect; two runs are told apart."""
    seen: list[Exception] = []
    handler = session._Refusals("ours", seen.append)
    logger = logging.Logger("psycopg.pool")
    logger.addHandler(handler)
    logger.warning("error connecting in %r: %s", pool, LOST)
    logger.warning("nothing of interest in %r", "ours")

    assert seen == expected
