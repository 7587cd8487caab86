"""Patroni's REST API: every endpoint that changes something, and every proof but the whole one.

A change takes the operator's certificate *and* the password. No request here shows both, and
none could change anything: their bodies are not what Patroni understands.
tests/patroni/test_rest_guard.py holds what each certificate may do without a password.
"""

from __future__ import annotations

import ssl

import httpx
import pytest

from citadelle import clients
from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.probes import rest, tls
from tests.security import _logins

NODE, PEER = PG[0], PG[1]
CHANGES = (
    "PATCH /config",
    "PUT /config",
    "POST /reload",
    "POST /restart",
    "DELETE /restart",
    "POST /reinitialize",
    "POST /failover",
    "POST /switchover",
    "DELETE /switchover",
    "POST /failsafe",
)
# The guard shuts these for everybody: /mpp asks no password.
CLOSED = ("POST /mpp", "POST /citus", "POST /sigterm")
# Other spellings of a closed path, which the server behind could take for it.
SPELLINGS = (
    "POST //mpp",
    "POST ///mpp",
    "POST /%6dpp",
    "POST /./mpp",
    "POST /x/../mpp",
    "POST /mpp/",
    "POST /mpp?x",
    "POST /MPP",
    "POST //sigterm",
    "POST /%73igterm",
    "POST //citus",
)
READS = ("/", "/patroni", "/cluster", "/config", "/history", "/metrics", "/failsafe", "/health")


class Api:
    """The REST API of a pod, as whoever shows a certificate."""

    def __init__(self, topology: Topology, home: Home) -> None:
        self.topology, self.home = topology, home
        self.right = _logins.login(topology.settings, "patroni_rest")

    def ask(
        self, certificate: str, order: str, auth: tuple[str, str] | None, node: str = NODE
    ) -> httpx.Response:
        """Send an order (``POST /path``); its body is a JSON text where Patroni wants an object."""
        body = None if order.startswith(("GET", "DELETE")) else "probe"
        return rest.ask(
            self.topology, self.home, certificate, order, node=node, body=body, auth=auth
        )


@pytest.fixture
def api(topology: Topology, home: Home) -> Api:
    """The REST API."""
    return Api(topology, home)


@pytest.mark.parametrize("order", [*CHANGES, *CLOSED, *(f"GET {path}" for path in READS)])
def test_no_certificate_no_answer(topology: Topology, home: Home, order: str) -> None:
    """Without a certificate not one byte of HTTP comes back, not even to a whole request.

    The alert itself is lost when the request is still under way as the guard closes.
    """
    s = topology.settings
    request = f"{order} HTTP/1.1\r\nHost: {NODE}\r\nContent-Length: 0\r\n\r\n".encode()
    place = str(topology.address(NODE, "pg")), s.patroni_rest_port
    alert = ""
    try:
        answer = tls.answer(*place, request, clients.context(home, "rest", None), NODE)
    except ssl.SSLError as error:
        answer, alert = b"", str(error.reason)
    assert (answer, "CERTIFICATE_REQUIRED" in alert or not alert) == (b"", True)


@pytest.mark.parametrize("order", CHANGES)
@pytest.mark.parametrize("node", PG)
def test_operator_without_password(api: Api, node: str, order: str) -> None:
    """The operator's stolen key changes nothing."""
    answer = api.ask("operator", order, None, node)
    assert (answer.status_code, answer.text) == (
        httpx.codes.UNAUTHORIZED,
        "no auth header received",
    )


@pytest.mark.parametrize("order", CHANGES)
@pytest.mark.parametrize("wrong", ["password", "user", "empty", "swapped"])
def test_operator_with_a_wrong_pair(api: Api, wrong: str, order: str) -> None:
    """... with half of the right pair neither."""
    user, password = api.right
    pair = {
        "password": (user, password[:-1]),
        "user": (f"{user}x", password),
        "empty": (user, ""),
        "swapped": (password, user),
    }
    answer = api.ask("operator", order, pair[wrong])
    assert (answer.status_code, answer.text) == (httpx.codes.UNAUTHORIZED, "not authenticated")


@pytest.mark.parametrize("order", [*CHANGES, *CLOSED])
@pytest.mark.parametrize("certificate", [*HAPROXY, f"gateway.{PEER}", f"gateway.{NODE}"])
def test_right_password_with_a_lesser_certificate(api: Api, certificate: str, order: str) -> None:
    """The stolen password is worth nothing with a load balancer's or a gateway's key."""
    assert rest.denied(api.ask(certificate, order, api.right))


@pytest.mark.parametrize("order", [o for o in (*CHANGES, *CLOSED) if o != "POST /failsafe"])
@pytest.mark.parametrize("certificate", [f"patroni.{node}" for node in PG])
def test_right_password_with_a_member_s_certificate(api: Api, certificate: str, order: str) -> None:
    """A broken-in pod holds both (patroni.yml): it still does not drive the others."""
    assert rest.denied(api.ask(certificate, order, api.right))


@pytest.mark.parametrize("auth", [None, ("patroni_rest", "wrong-password-of-a-test")])
def test_failsafe_wants_the_password(api: Api, auth: tuple[str, str] | None) -> None:
    """What members may say to each other takes the password besides the certificate."""
    answer = api.ask(f"patroni.{PEER}", "POST /failsafe", auth)
    assert answer.status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("order", SPELLINGS)
def test_closed_path_has_no_other_spelling(api: Api, order: str) -> None:
    """Guard and server read a path the same way: the second does not open what the first shuts."""
    assert rest.denied(api.ask("operator", order, None))


@pytest.mark.parametrize(
    "path", ["/primary/../config", "/primary/%2e%2e/config", "/primary;/config"]
)
@pytest.mark.parametrize("certificate", HAPROXY)
def test_health_path_does_not_lead_elsewhere(api: Api, certificate: str, path: str) -> None:
    """A load balancer's path is one of five, letter by letter."""
    assert rest.denied(api.ask(certificate, f"GET {path}", None))


@pytest.mark.parametrize("path", READS)
def test_operator_reads(api: Api, path: str) -> None:
    """The counter-proof: the same certificate reads without a password."""
    assert api.ask("operator", f"GET {path}", None).status_code != httpx.codes.FORBIDDEN
