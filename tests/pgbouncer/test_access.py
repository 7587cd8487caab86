"""Who enters by a pooler, and with what proof."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.pgbouncer.conftest import Connect

Credentials = Callable[[str], dict[str, str]]
INTERNAL = ("postgres", "replicator", "rewind", "pgbouncer_auth")
REFUSED = "no such user|login rejected"


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


@pytest.mark.parametrize("account", INTERNAL)
@pytest.mark.parametrize("database", ["app", "app_ro", "pgbouncer"])
def test_internal_account_is_refused(
    enter: Connect, credentials: Credentials, topology: Topology, account: str, database: str
) -> None:
    """Even with the right password: whoever steals one gets nowhere by the applications' door."""
    name = database.replace("app", topology.settings.app_database)
    with pytest.raises(psycopg.OperationalError, match=f"{REFUSED}|not allowed|config error"):
        enter(**credentials(account), dbname=name)


@pytest.mark.parametrize("service", ["pooled", "pooled_ro"])
def test_console_administrator_is_no_database_user(
    enter: Connect, credentials: Credentials, service: str
) -> None:
    """One account, one use."""
    with pytest.raises(psycopg.OperationalError, match=REFUSED):
        enter(service, **credentials("pgbouncer_admin"))


@pytest.mark.parametrize("database", ["postgres", "template1", "nope", "*"])
def test_unknown_database_is_refused(enter: Connect, database: str) -> None:
    """No catch-all entry: only the application's two databases are pooled."""
    with pytest.raises(psycopg.OperationalError, match=r"login rejected|no such database"):
        enter(dbname=database)


def test_tls_is_required(enter: Connect) -> None:
    """An application configured without TLS does not work at all, rather than in clear."""
    with pytest.raises(psycopg.OperationalError, match="SSL required"):
        enter(sslmode="disable")


def test_tls_1_2_is_refused(enter: Connect) -> None:
    """No downgrade to weaker suites."""
    with pytest.raises(psycopg.OperationalError, match="alert protocol version"):
        enter(ssl_max_protocol_version="TLSv1.2")


def test_pooler_proves_its_own_name(enter: Connect, topology: Topology, pooler: str) -> None:
    """The applications' authority vouches for the pooler under its name."""
    with enter(host=pooler, hostaddr=topology.settings.bind_address) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name", ["pgbouncer", "haproxy1", "pg1", "example.org"])
def test_pooler_is_nobody_else(enter: Connect, topology: Topology, name: str) -> None:
    """A pooler in the wrong hands cannot pass for PostgreSQL behind a load balancer."""
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        enter(host=name, hostaddr=topology.settings.bind_address)


@pytest.mark.parametrize("plane", ["dcs-peer", "dcs-client", "rest", "tunnel", "pg-client"])
def test_pooler_is_not_vouched_for_by_another_plane(enter: Connect, home: Home, plane: str) -> None:
    """Whoever steals another authority's key cannot pass for a pooler."""
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        enter(sslrootcert=str(home.pki / plane / "ca.crt"))
