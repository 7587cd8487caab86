"""The administration page of each load balancer, and its stats socket.

Any way to change state through the page: tests/security/test_admin_page.py; clear text and older
versions of TLS: tests/security (test_clear_text.py, test_protocols.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import httpx
import pytest
from testinfra.host import Host

from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import admin

SOCKET = "/run/haproxy/stats.sock"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def right(topology: Topology) -> tuple[str, str]:
    """The administrator's credentials."""
    s = topology.settings
    return s.haproxy_admin_user, s.haproxy_admin_password.reveal()


@pytest.fixture
def ask(topology: Topology, home: Home, balancer: str) -> Ask:
    """Send one HTTPS request to the page."""
    return partial(admin.ask, topology, home, balancer)


def test_right_credentials_open_the_page(ask: Ask, right: tuple[str, str]) -> None:
    """The operator sees the state of every server."""
    answer = ask(auth=right)
    assert (answer.status_code, "Statistics Report" in answer.text) == (200, True)


@pytest.mark.parametrize("password", [None, "", "wrong", "admin"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_others_are_refused(
    ask: Ask, right: tuple[str, str], method: str, password: str | None
) -> None:
    """Whoever reaches the port learns nothing of the cluster, whatever the method."""
    auth = None if password is None else (right[0], password)
    assert ask(method, auth=auth).status_code == 401


@pytest.mark.parametrize("user", ["admin", "haproxy", "root", ""])
def test_the_password_opens_for_its_user_only(ask: Ask, right: tuple[str, str], user: str) -> None:
    """No second account, no default one."""
    assert ask(auth=(user, right[1])).status_code == 401


def test_version_is_hidden(
    ask: Ask, right: tuple[str, str], container: Callable[[str], Host], balancer: str
) -> None:
    """A version tells an attacker which flaws to try."""
    version = container(balancer).check_output("haproxy -v").split()[2]
    assert version.split("-")[0] not in ask(auth=right).text


def test_file_holds_a_hash_only(
    container: Callable[[str], Host], right: tuple[str, str], balancer: str
) -> None:
    """A stolen configuration does not open the page: SHA-512 crypt, and not the password."""
    text = container(balancer).file("/etc/citadelle/haproxy.cfg").content_string
    assert (f"user {right[0]} password $6$" in text, right[1] in text) == (True, False)


@pytest.mark.parametrize(
    "order",
    ["disable server rw/pg1", "set server rw/pg1 state maint", "shutdown frontend rw", "show env"],
)
def test_stats_socket_only_reads(
    container: Callable[[str], Host], balancer: str, order: str
) -> None:
    """Whoever gets into the container still cannot cut the cluster off by its socket."""
    command = f"echo %s | socat - {SOCKET}"
    assert container(balancer).check_output(command, order).strip() == "Permission denied"


def test_stats_socket_answers(container: Callable[[str], Host], balancer: str) -> None:
    """The refusals above come from a living socket."""
    assert "Name: HAProxy" in container(balancer).check_output(f"echo show info | socat - {SOCKET}")
