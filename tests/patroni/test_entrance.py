"""Who gets into PostgreSQL, tried for real: on the pod's address, by HAProxy, from inside."""

from __future__ import annotations

import psycopg
import pytest

from citadelle import clients, connect
from citadelle.settings import Settings
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.patroni import _probes

REJECTED = "pg_hba.conf rejects"
INVALID_AUTHORIZATION = "28000"
# Roles that a network client must never be, with the certificate that a thief would show.
CLOSED = {"postgres": None, "replicator": "replicator.pg1", "rewind": "rewind.pg1"}
CROSSED = [(kind, node) for kind in CLOSED for node in PG]


def _login(s: Settings, kind: str) -> dict[str, str]:
    return {
        "user": getattr(s, f"{kind}_user"),
        "password": getattr(s, f"{kind}_password").reveal(),
    }


def _certificate(home: Home, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    stem = home.pki / "pg-client" / name
    return {"sslcert": f"{stem}.crt", "sslkey": f"{stem}.key"}


@pytest.mark.parametrize("node", PG)
def test_application_enters(topology: Topology, home: Home, node: str) -> None:
    """The application's password opens, over TLS 1.3: the refusals below are the role's."""
    s = topology.settings
    with _probes.direct(topology, home, node, dbname=s.app_database, **_login(s, "app")) as found:
        sql = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert found.execute(sql).fetchone() == ("TLSv1.3",)


@pytest.mark.parametrize(("kind", "node"), CROSSED)
def test_role_is_refused_on_the_pod_s_address(
    topology: Topology, home: Home, kind: str, node: str
) -> None:
    """The right password, and the stolen certificate, are of no use from outside the pods."""
    shown = _certificate(home, CLOSED[kind])
    with pytest.raises(psycopg.OperationalError, match=REJECTED):
        _probes.direct(topology, home, node, **_login(topology.settings, kind), **shown)


@pytest.mark.parametrize("node", PG)
def test_replication_is_refused_from_outside(topology: Topology, home: Home, node: str) -> None:
    """Nobody copies the cluster with a stolen replication key."""
    shown = _certificate(home, CLOSED["replicator"])
    login = _login(topology.settings, "replicator")
    with pytest.raises(psycopg.OperationalError, match=REJECTED + " replication"):
        _probes.direct(topology, home, node, replication="true", **login, **shown)


@pytest.mark.parametrize("service", ["rw", "ro"])
@pytest.mark.parametrize("kind", CLOSED)
def test_role_is_refused_by_haproxy(
    topology: Topology, home: Home, kind: str, service: str
) -> None:
    """The gateway's loopback connection is not loopback for pg_hba.conf: the client's is."""
    parameters = connect.parameters(topology, home, service) | {"dbname": "postgres"}
    shown = _certificate(home, CLOSED[kind])
    with pytest.raises(psycopg.OperationalError, match=REJECTED):
        psycopg.connect(**parameters | _login(topology.settings, kind) | shown)


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("clear", [False, True])
def test_superuser_s_refusal_says_28000(
    topology: Topology,
    home: Home,
    node: str,
    clear: bool,  # a row
) -> None:
    """SQLSTATE invalid_authorization_specification, before any password is asked."""
    s = topology.settings
    tls = None if clear else clients.context(home, "server", None)
    startup = {"user": s.postgres_user, "database": "postgres"}
    answer = _probes.refusal(tls, topology.address(node, "pg"), node, s.pg_port, **startup)
    assert answer[0] == INVALID_AUTHORIZATION
    assert ("no encryption" if clear else "SSL encryption") in answer[1]


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("kind", ["app", "monitoring", "postgres"])
def test_clear_text_is_refused(topology: Topology, home: Home, kind: str, node: str) -> None:
    """The right password in clear opens nothing."""
    options = {"sslmode": "disable", "dbname": topology.settings.app_database}
    login = _login(topology.settings, kind)
    with pytest.raises(psycopg.OperationalError, match=REJECTED + ".*no encryption"):
        _probes.direct(topology, home, node, **options, **login)


@pytest.mark.parametrize("node", PG)
def test_tls_1_2_is_refused(topology: Topology, home: Home, node: str) -> None:
    """No downgrade."""
    with pytest.raises(psycopg.OperationalError, match="protocol version"):
        _probes.direct(
            topology,
            home,
            node,
            ssl_min_protocol_version="TLSv1.2",
            ssl_max_protocol_version="TLSv1.2",
            dbname=topology.settings.app_database,
            **_login(topology.settings, "app"),
        )
