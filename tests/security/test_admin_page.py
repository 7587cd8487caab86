"""HAProxy's administration page shows and does nothing: with the right password, whatever is said.

Its form (``stats admin``) takes servers out of service; here it does not exist, and the stats
socket shows that no server's state moved.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from citadelle import engine
from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.probes import tls
from tests.security import _logins

SOCKET = "/run/haproxy/stats.sock"
# What the form of HAProxy's page sends (management guide, 9.2; stats admin).
ACTIONS = ("disable", "maint", "drain", "stop", "shutdown", "dhlth", "hrunn", "ready")
PATHS = ("/", "/;csv", "/;json", "/;up", "/?stats;up", "/haproxy?stats;up", "/admin", "/stats")
METHODS = {
    **dict.fromkeys(("POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"), 405),
    "CONNECT": 400,  # HAProxy wants a host and a port after it, not a path
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Headers that some servers take for another method, path or client.
TRICKS = {
    "method": {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST"},
    "path": {"X-Original-URL": "/;up", "X-Rewrite-URL": "/;up"},
    "client": {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
    "origin": {"Origin": "https://localhost", "Referer": "https://localhost/"},
}

States = list[tuple[str, ...]]


@pytest.fixture(scope="module", params=HAPROXY)
def balancer(request: pytest.FixtureRequest) -> str:
    """Each load balancer in turn."""
    return str(request.param)


class Admin:
    """One load balancer's page, and what its socket says of the servers."""

    def __init__(self, topology: Topology, home: Home, balancer: str) -> None:
        self.topology, self.balancer = topology, balancer
        self.tls = tls.context(home, tls.named("admin").server_plane)
        self.right = _logins.login(topology.settings, "haproxy_admin")

    def ask(
        self,
        method: str,
        path: str,
        *,
        auth: tuple[str, str] | None,
        form: str = "",
        headers: dict[str, str] | None = None,
    ) -> int:
        """Send one request, with a form if there is one; return the status."""
        point = self.topology.endpoint("admin", self.balancer)
        with httpx.Client(verify=self.tls, trust_env=False, timeout=5) as client:
            return client.request(
                method,
                f"https://{point.host}:{point.port}{path}",
                content=form.encode() or None,
                headers=(FORM if form else {}) | (headers or {}),
                auth=auth,
                extensions={"sni_hostname": self.balancer},
            ).status_code

    def states(self) -> States:
        """Return each server's administrative state and weight (management guide, 9.3)."""
        container = f"{self.topology.settings.cluster_name}-{self.balancer}"
        order = b"show servers state\n"
        text = engine.execute(container, "socat", "-", SOCKET, stdin=order)
        rows = [line.split() for line in text.splitlines() if " " in line and line[0] != "#"]
        # be_name, srv_name, srv_admin_state, srv_uweight: health may change on its own, these not.
        return [(row[1], row[3], row[6], row[7]) for row in rows]


@pytest.fixture(scope="module")
def admin(topology: Topology, home: Home, balancer: str) -> Admin:
    """The page of each load balancer."""
    return Admin(topology, home, balancer)


@pytest.fixture(scope="module")
def before(admin: Admin) -> States:
    """The servers' states before the tests of this file."""
    found = admin.states()
    assert {server for _, server, *_ in found} >= set(PG)
    return found


@pytest.fixture
def unmoved(admin: Admin, before: States) -> Iterator[None]:
    """Compare the servers' states with those of before, once the test is over."""
    yield
    assert admin.states() == before


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("auth", [None, "wrong"])
def test_no_path_is_open(admin: Admin, path: str, auth: str | None) -> None:
    """Every path asks for the password: CSV and JSON say as much as the page."""
    pair = (admin.right[0], auth) if auth else None
    assert admin.ask("GET", path, auth=pair) == httpx.codes.UNAUTHORIZED


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("method", METHODS)
def test_no_other_method_on_any_path(admin: Admin, method: str) -> None:
    """The administrator himself, or a page that makes his browser post (CSRF)."""
    found = {path: admin.ask(method, path, auth=admin.right) for path in PATHS}
    assert found == dict.fromkeys(PATHS, METHODS[method])


@pytest.mark.usefixtures("unmoved")
def test_form_of_the_page_is_refused(admin: Admin) -> None:
    """What the form would send to take a primary out of service, letter for letter."""
    servers = [f"s={node}" for node in PG]
    forms = {action: "&".join([*servers, f"action={action}", "b=rw"]) for action in ACTIONS}
    found = {a: admin.ask("POST", "/", auth=admin.right, form=form) for a, form in forms.items()}
    assert found == dict.fromkeys(ACTIONS, httpx.codes.METHOD_NOT_ALLOWED)


@pytest.mark.usefixtures("unmoved")
def test_action_in_the_address_does_nothing(admin: Admin) -> None:
    """A link is not an order: the page is shown, and that is all."""
    paths = {action: f"/?s={PG[0]}&action={action}&b=rw" for action in ACTIONS}
    found = {action: admin.ask("GET", path, auth=admin.right) for action, path in paths.items()}
    assert found == dict.fromkeys(ACTIONS, httpx.codes.OK)


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("trick", TRICKS)
def test_header_does_nothing(admin: Admin, trick: str) -> None:
    """No header makes a GET something else."""
    path = f"/?s={PG[0]}&action=disable&b=rw"
    assert admin.ask("GET", path, auth=admin.right, headers=TRICKS[trick]) == httpx.codes.OK


@pytest.mark.parametrize("trick", TRICKS)
def test_header_replaces_no_password(admin: Admin, trick: str) -> None:
    """... nor does one pass for a proof."""
    status = admin.ask("GET", "/", auth=None, headers=TRICKS[trick])
    assert status == httpx.codes.UNAUTHORIZED
