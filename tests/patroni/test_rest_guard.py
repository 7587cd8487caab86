"""The REST guard (8008): what each certificate of the plane ``rest`` may ask.

Whom TLS refuses there: tests/security/test_certificates.py; who has a certificate and not the
right password: tests/security/test_rest_endpoints.py.
"""

from __future__ import annotations

import httpx
import pytest

from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.probes import rest

PEER = PG[1]


class Guard:
    """The guard of one pod."""

    def __init__(self, topology: Topology, home: Home) -> None:
        self.topology, self.home = topology, home

    def ask(self, name: str, order: str) -> httpx.Response:
        """Send an order (``GET /path``) with a certificate; an empty body where one is due."""
        body: object = {} if order.startswith(("POST", "PATCH", "PUT")) else None
        return rest.ask(self.topology, self.home, name, order, body=body)

    def denies(self, name: str, order: str) -> bool:
        """Tell whether the guard itself refuses."""
        return rest.denied(self.ask(name, order))


@pytest.fixture
def guard(topology: Topology, home: Home) -> Guard:
    """The first pod's guard."""
    return Guard(topology, home)


HEALTH = ["/primary", "/replica", "/health", "/liveness", "/readiness"]
# Patroni's answers to a health question: yes or no.
VERDICTS = (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE)
READS = ["/config", "/cluster", "/patroni", "/history", "/metrics", "/", "//config", "/%63onfig"]
CHANGES = [
    "POST /restart",
    "POST /reload",
    "POST /reinitialize",
    "POST /switchover",
    "POST /failover",
    "PATCH /config",
    "PUT /config",
    "DELETE /switchover",
    "DELETE /restart",
]
# Nobody uses them here, and Patroni asks no password for /mpp.
CLOSED = ["POST /mpp", "GET /mpp", "POST /citus", "POST /sigterm"]


@pytest.mark.parametrize("path", HEALTH)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize("name", HAPROXY)
def test_load_balancer_checks_health(guard: Guard, name: str, method: str, path: str) -> None:
    """The health checks of HAProxy get Patroni's verdict."""
    assert guard.ask(name, f"{method} {path}").status_code in VERDICTS


@pytest.mark.parametrize("path", READS)
def test_load_balancer_reads_nothing_else(guard: Guard, path: str) -> None:
    """A stolen HAProxy key does not show parameters, addresses or history."""
    assert guard.denies(HAPROXY[0], f"GET {path}")


@pytest.mark.parametrize("order", [*CHANGES, *CLOSED, "POST /primary", "POST /failsafe"])
def test_load_balancer_changes_nothing(guard: Guard, order: str) -> None:
    """... nor does it restart, switch or reconfigure anything."""
    assert guard.denies(HAPROXY[0], order)


@pytest.mark.parametrize("path", ["/patroni", "/cluster", "/config", "/health"])
def test_member_reads(guard: Guard, path: str) -> None:
    """Members ask each other for their state before an election."""
    assert guard.ask(f"patroni.{PEER}", f"GET {path}").status_code in VERDICTS


@pytest.mark.parametrize("order", [*CHANGES, *CLOSED])
def test_member_changes_nothing(guard: Guard, order: str) -> None:
    """One broken-in node does not drive the others."""
    assert guard.denies(f"patroni.{PEER}", order)


@pytest.mark.parametrize("order", ["GET /primary", "GET /patroni", "PATCH /config"])
def test_gateway_certificate_opens_no_guard(guard: Guard, order: str) -> None:
    """A gateway's certificate, of the right authority, is only for its own Patroni."""
    assert guard.denies(f"gateway.{PEER}", order)


@pytest.mark.parametrize("order", CLOSED)
def test_operator_has_no_use_for_it(guard: Guard, order: str) -> None:
    """Endpoints without a password stay shut, even for the operator."""
    assert guard.denies("operator", order)
