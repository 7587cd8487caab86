"""Who gets into PostgreSQL on the pod's own address: the application, by TLS alone.

Everybody else, here and by HAProxy: tests/security (test_passwords.py, test_superuser.py,
test_internal_roles.py); older versions of TLS: tests/security/test_protocols.py.
"""

from __future__ import annotations

import psycopg
import pytest

from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.probes import postgres


@pytest.mark.parametrize("node", PG)
def test_application_enters(topology: Topology, home: Home, node: str) -> None:
    """The application's password opens, over TLS 1.3: the refusals below are the role's."""
    with psycopg.connect(**postgres.direct(topology, home, node), autocommit=True) as found:
        sql = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert found.execute(sql).fetchone() == ("TLSv1.3",)


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("kind", ["app", "monitoring", "postgres"])
def test_clear_text_is_refused(topology: Topology, home: Home, kind: str, node: str) -> None:
    """The right password in clear opens nothing."""
    s = topology.settings
    login = {
        "user": getattr(s, f"{kind}_user"),
        "password": getattr(s, f"{kind}_password").reveal(),
    }
    options = postgres.direct(topology, home, node) | login | {"sslmode": "disable"}
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects.*no encryption"):
        psycopg.connect(**options)
