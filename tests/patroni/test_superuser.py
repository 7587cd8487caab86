"""The superuser: from inside its container only, with the proof that each way asks."""

from __future__ import annotations

import pytest

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.topology import PG, Topology
from tests.probes import postgres

TLS = "SELECT current_user, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def _loopback(topology: Topology, node: str, password: str, sslmode: str = "verify-full") -> str:
    s = topology.settings
    options = f"host=127.0.0.1 port={s.pg_port} dbname=postgres sslmode={sslmode}"
    options += " sslrootcert=/etc/citadelle/tls/ca-server.crt"
    return postgres.psql(topology, node, (s.postgres_user, password), options, TLS)


@pytest.mark.parametrize("node", PG)
def test_enters_by_the_socket(topology: Topology, node: str) -> None:
    """The container's own account is the superuser on the Unix socket, with no password."""
    user = topology.settings.postgres_user
    assert postgres.rows(topology, node, "SELECT current_user;") == [user]


@pytest.mark.parametrize("node", PG)
def test_enters_by_loopback(topology: Topology, node: str) -> None:
    """127.0.0.1 with the password, over TLS, the certificate verified."""
    password = topology.settings.postgres_password.reveal()
    expected = f"{topology.settings.postgres_user}|TLSv1.3"
    assert _loopback(topology, node, password) == expected


@pytest.mark.parametrize("node", PG)
def test_loopback_wants_the_password(topology: Topology, node: str) -> None:
    """Whoever gets a connection onto the loopback is still asked who he is."""
    with pytest.raises(CitadelleError, match="password authentication failed"):
        _loopback(topology, node, "wrong-password-of-a-test")


@pytest.mark.parametrize("node", PG)
def test_loopback_wants_tls(topology: Topology, node: str) -> None:
    """... and not in clear, even there."""
    password = topology.settings.postgres_password.reveal()
    with pytest.raises(CitadelleError, match="no encryption"):
        _loopback(topology, node, password, sslmode="disable")


@pytest.mark.parametrize("kind", ["app", "monitoring", "pgbouncer_auth", "rewind"])
def test_no_other_role_by_the_socket(topology: Topology, leader: str, kind: str) -> None:
    """The socket is the superuser's: a program in the container borrows no other role there."""
    s = topology.settings
    argv = ["psql", "--host=/run/postgresql", f"--port={s.pg_port}", "--dbname=postgres"]
    user = getattr(s, f"{kind}_user")
    with pytest.raises(CitadelleError, match=r"pg_hba\.conf rejects"):
        engine.execute(f"{s.cluster_name}-{leader}", *argv, f"--username={user}", "--command=")
