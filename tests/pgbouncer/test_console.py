"""The poolers' consoles: who gives orders, who only looks.

Who does not enter at all: tests/security/test_passwords.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import ClientCursor

from tests.pgbouncer.conftest import Connect

CONSOLE = "pgbouncer"
# Orders about a database that does not exist: harmless even if they were taken.
ORDERS = ("PAUSE nope", "KILL nope", "DISABLE nope", "RECONNECT nope", "RESUME nope")

Say = Callable[[str, str], list[tuple[Any, ...]]]


@pytest.fixture
def say(enter: Connect, credentials: Callable[[str], dict[str, str]]) -> Say:
    """Say one line to the console, as an account (settings' name for it)."""

    def said(account: str, line: str) -> list[tuple[Any, ...]]:
        login = credentials(account)
        with enter(dbname=CONSOLE, cursor_factory=ClientCursor, **login) as connection:
            return connection.execute(line).fetchall()

    return said


@pytest.mark.parametrize("account", ["pgbouncer_admin", "monitoring"])
@pytest.mark.parametrize("line", ["SHOW POOLS", "SHOW STATS"])
def test_console_answers_its_readers(say: Say, account: str, line: str) -> None:
    """The administrator and the monitoring see the pools."""
    assert say(account, line) != []


@pytest.mark.parametrize("order", ORDERS)
def test_monitoring_gives_no_orders(say: Say, order: str) -> None:
    """A monitoring account, known to many machines, cannot stop the applications."""
    with pytest.raises(psycopg.Error, match="admin access needed"):
        say("monitoring", order)


@pytest.mark.parametrize("order", ORDERS)
def test_administrator_gives_orders(say: Say, order: str) -> None:
    """The refusals above are about the account alone: here only the database is unknown."""
    with pytest.raises(psycopg.Error, match="no such database"):
        say("pgbouncer_admin", order)


def test_wrong_password_is_refused(enter: Connect, credentials: Callable[[str], Any]) -> None:
    """The console asks for a proof too."""
    login = credentials("pgbouncer_admin") | {"password": "wrong-password-of-20-chars"}
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        enter(dbname=CONSOLE, **login)


def test_console_requires_tls(enter: Connect, credentials: Callable[[str], Any]) -> None:
    """The administrator's session is encrypted like any other."""
    with pytest.raises(psycopg.OperationalError, match="SSL required"):
        enter(dbname=CONSOLE, sslmode="disable", **credentials("pgbouncer_admin"))
