"""The entrances of the load balancers, one by one, as an application meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from citadelle import connect
from citadelle.topology import HAPROXY, Endpoint, Topology
from citadelle.workspace import Home

Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture(params=HAPROXY)
def balancer(request: pytest.FixtureRequest) -> str:
    """Each load balancer in turn."""
    return str(request.param)


@pytest.fixture(params=["rw", "ro"])
def service(request: pytest.FixtureRequest) -> str:
    """Each service in turn: read/write (5000), read only (5001)."""
    return str(request.param)


@pytest.fixture
def entrance(topology: Topology, balancer: str, service: str) -> Endpoint:
    """One service of one load balancer."""
    return topology.endpoint(service, balancer)


@pytest.fixture
def enter(topology: Topology, home: Home, entrance: Endpoint) -> Connect:
    """Connect as the application by this entrance alone; libpq's parameters can be changed."""

    def opened(**changes: str) -> psycopg.Connection[Any]:
        common = connect.parameters(topology, home, entrance.service)
        here = {"host": entrance.host, "port": str(entrance.port)}
        return psycopg.connect(**(common | here | changes), autocommit=True)

    return opened
