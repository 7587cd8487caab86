"""The poolers, one by one, as an application meets them, and their consoles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from testinfra.host import Host

from citadelle import connect
from citadelle.topology import PGBOUNCER, Topology
from citadelle.workspace import Home

Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture(params=PGBOUNCER)
def pooler(request: pytest.FixtureRequest) -> str:
    """Each pooler in turn."""
    return str(request.param)


@pytest.fixture
def enter(topology: Topology, home: Home, pooler: str) -> Connect:
    """Connect as the application by this pooler alone; libpq's parameters can be changed."""

    def opened(service: str = "pooled", **changes: Any) -> psycopg.Connection[Any]:  # noqa: ANN401  # passed on
        point = topology.endpoint("pooled", pooler)
        common = connect.parameters(topology, home, service)
        here = {"host": point.host, "port": str(point.port)}
        return psycopg.connect(**(common | here | changes), autocommit=True)

    return opened


@pytest.fixture
def credentials(topology: Topology) -> Callable[[str], dict[str, str]]:
    """Return the right user and password of an account, by the name it has in the settings."""
    s = topology.settings

    def of(account: str) -> dict[str, str]:
        password = getattr(s, f"{account}_password").reveal()
        return {"user": getattr(s, f"{account}_user"), "password": password}

    return of


@pytest.fixture
def configuration(
    topology: Topology, container: Callable[[str], Host], pooler: str
) -> dict[str, str]:
    """What the running pooler goes by, from its console's private socket."""
    psql = (
        "psql --host=/run/pgbouncer --port=%s --username=pgbouncer --no-password --no-psqlrc"
        " --quiet --tuples-only --no-align --command='SHOW CONFIG' pgbouncer"
    )
    port = str(topology.settings.pgbouncer_port)
    rows = container(pooler).check_output(psql, port).splitlines()
    return dict(row.split("|")[:2] for row in rows)
