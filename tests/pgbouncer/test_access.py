"""Who enters by a pooler, and with what proof.

Everybody else's password, clear text, older versions, other authorities: tests/security
(test_passwords.py, test_clear_text.py, test_protocols.py, test_servers.py).
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from citadelle.topology import Topology
from tests.pgbouncer.conftest import Connect

Credentials = Callable[[str], dict[str, str]]


@pytest.mark.parametrize("service", ["pooled", "pooled_ro"])
@pytest.mark.parametrize("account", ["app", "monitoring"])
def test_right_password_enters(
    enter: Connect, credentials: Credentials, service: str, account: str
) -> None:
    """The refusals below are not a dead pooler."""
    with enter(service, **credentials(account)) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row == (credentials(account)["user"],)


@pytest.mark.parametrize("service", ["pooled", "pooled_ro"])
@pytest.mark.parametrize("password", ["wrong-password-of-20-chars", "x"])
def test_wrong_password_is_refused(enter: Connect, service: str, password: str) -> None:
    """The pooler proves its clients itself: it would lend them a server otherwise."""
    with pytest.raises(psycopg.OperationalError, match="SASL authentication failed"):
        enter(service, password=password)


@pytest.mark.parametrize("database", ["postgres", "template1", "nope", "*"])
def test_unknown_database_is_refused(enter: Connect, database: str) -> None:
    """No catch-all entry: only the application's two databases are pooled."""
    with pytest.raises(psycopg.OperationalError, match=r"login rejected|no such database"):
        enter(dbname=database)


def test_pooler_proves_its_own_name(enter: Connect, topology: Topology, pooler: str) -> None:
    """The applications' authority vouches for the pooler under its name."""
    with enter(host=pooler, hostaddr=topology.settings.bind_address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["pgbouncer", "haproxy1", "pg1", "example.org"])
def test_pooler_is_nobody_else(enter: Connect, topology: Topology, name: str) -> None:
    """A pooler in the wrong hands cannot pass for PostgreSQL behind a load balancer."""
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        enter(host=name, hostaddr=topology.settings.bind_address)
