"""HAProxy's configuration under the audit's eyes: a weakened copy turns its control red."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from citadelle import clients, engine, render
from citadelle.audit import balancers, versions
from citadelle.audit.control import Cluster
from citadelle.errors import CitadelleError
from citadelle.topology import CONTAINERS, HAPROXY
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
FILES = {
    c.name: render.files(TOPOLOGY, c, "empreinte")["haproxy.cfg"]
    for c in CONTAINERS
    if c.name in balancers.ALL
}
READ_FROM_FILE = ("HA-01", "HA-02", "HA-03")
# When the worker started, in the kernel's seconds.
STARTED = 1_795_882_986


def failing(
    monkeypatch: pytest.MonkeyPatch,
    name: str = "",
    old: str = "",
    new: str = "",
    changed: int = STARTED,
) -> set[str]:
    """Return the controls that fail when one container's file was changed, and when it was."""

    def inside(_cluster: Cluster, asked: str, *argv: str) -> str:
        if argv[0] == "stat":
            return f"{changed if asked == name else STARTED}\n"
        if argv[0] == "sh":
            return f"Uptime_sec: 7\nStart_time_sec: {STARTED}\n"
        text = FILES[asked]
        assert asked != name or old in text
        return text.replace(old, new) if asked == name else text

    monkeypatch.setattr(balancers, "inside", inside)
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    chosen = [c for c in balancers.CONTROLS if c.identifier in READ_FROM_FILE]
    return {c.identifier for c in chosen if not c.check(cluster).ok}


def test_our_files_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failures below are those of one change."""
    assert failing(monkeypatch) == set()


@pytest.mark.parametrize("name", balancers.ALL)
@pytest.mark.parametrize(
    ("old", "new", "control"),
    [
        ("verify required", "verify none", "HA-01"),
        ("verify required", "verify optional", "HA-01"),
        (" verifyhost ", " # ", "HA-01"),
        ("ssl-min-ver TLSv1.3", "ssl-min-ver TLSv1.2", "HA-03"),
        ("ssl-default-server-options", "# ssl-default-server-options", "HA-03"),
        ("verify required", "# verify required", "HA-01"),
        ("ssl-min-ver TLSv1.3", "ssl-min-ver TLSv1.3 ssl-max-ver TLSv1.2", "HA-03"),
        ("ssl-min-ver TLSv1.3", "ssl-min-ver TLSv1.3 no-tlsv13", "HA-03"),
        ("ssl-min-ver TLSv1.3\n", "ssl-min-ver TLSv1.3 ssl-min-ver TLSv1.0\n", "HA-03"),
        (" ssl crt ", " ssl ssl-min-ver TLSv1.2 crt ", "HA-03"),
        (" ssl crt ", " ssl ssl-min-ver TLSv1.0 ssl-max-ver TLSv1.2 crt ", "HA-03"),
        (" ssl crt ", " ssl ssl-max-ver TLSv1.2 crt ", "HA-03"),
        (" ssl crt ", " ssl no-tlsv13 crt ", "HA-03"),
        (" ssl crt ", " ssl force-tlsv12 crt ", "HA-03"),
        ("\ndefaults\n", "\ndefaults\n    default-server ssl-min-ver TLSv1.1\n", "HA-03"),
    ],
)
def test_weakened_file_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str, control: str
) -> None:
    """On whatever container: one open gateway is enough."""
    assert control in failing(monkeypatch, name, old, new)


@pytest.mark.parametrize("name", HAPROXY)
def test_server_in_clear_is_seen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A server on the network, reached without TLS."""
    line = "    server clair 192.0.2.1:5432\n"
    assert failing(monkeypatch, name, "backend rw\n", f"backend rw\n{line}") == {"HA-02"}


@pytest.mark.parametrize("name", balancers.ALL)
def test_file_that_was_not_read_is_seen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Good lines say nothing of a worker that still goes by those of before."""
    assert failing(monkeypatch, name, changed=STARTED + 1) == set(READ_FROM_FILE)


def test_worker_that_hides_its_start_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be compared cannot be verified."""
    monkeypatch.setattr(balancers, "inside", lambda *argv: "7" if "stat" in argv else "")
    (control,) = [c for c in balancers.CONTROLS if c.identifier == "HA-01"]

    with pytest.raises(CitadelleError, match="ne dit pas quand il a démarré"):
        control.check(Cluster(TOPOLOGY, Home(Path("/nowhere"))))


@pytest.mark.parametrize("name", balancers.ALL)
def test_empty_file_is_no_success(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nothing read is not nothing wrong."""
    assert failing(monkeypatch, name, FILES[name], "") == set(READ_FROM_FILE)


@pytest.mark.parametrize("name", balancers.ALL)
def test_file_without_tls_is_no_success(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A control with no line to judge has proven nothing."""
    assert "HA-01" in failing(monkeypatch, name, " ssl crt ", " crt ")


# --- What is tried for real ---------------------------------------------------------------------

VERSION = (
    "HAProxy version 3.0.11-1 2026/05/02 - https://haproxy.org/\n"
    "Status: long-term supported branch - will stop receiving fixes around Q2 2999.\n"
)
TRIED = ("HA-04", "HA-05", "HA-06", "HA-07")


class Readings:
    """What load balancers and gateways in order answer; each test changes one thing of it."""

    def __init__(self) -> None:
        self.orders = dict.fromkeys(balancers.ALL, "Permission denied\n\n")
        self.modes = dict.fromkeys(balancers.ALL, "600\n")
        self.versions = dict.fromkeys(balancers.ALL, VERSION)
        self.files = dict(FILES)
        self.codes = {(n, m): c for n in HAPROXY for m, c in (("GET", 401), ("POST", 405))}
        self.in_clear: dict[tuple[str, int], bytes] = {}

    def execute(self, container: str, *_argv: str, stdin: bytes) -> str:
        """Return what the socket of a container says to an order that is not a reading."""
        assert stdin == b"show env\n"
        return self.orders[container.removeprefix(f"{TOPOLOGY.settings.cluster_name}-")]

    def inside(self, _cluster: Cluster, name: str, *argv: str) -> str:
        """Return what a command says inside a container."""
        return {"stat": self.modes, "cat": self.files, "haproxy": self.versions}[argv[0]][name]

    def request(self, *argv: object, server_name: str, auth: object) -> httpx.Response:
        """Return what the administration page answers, asked as each method is meant to be."""
        assert (argv[1] == "POST") == (auth is not None)
        return httpx.Response(self.codes[server_name, str(argv[1])])

    def answer_in_clear(self, host: str, port: int, payload: bytes) -> bytes:
        """Return what an entrance answers to PostgreSQL's first packet without TLS."""
        assert TOPOLOGY.settings.app_user.encode() in payload
        return self.in_clear.get((host, port), b"")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Return the answers that the controls below are given."""
    found = Readings()
    monkeypatch.setattr(engine, "execute", found.execute)
    monkeypatch.setattr(balancers, "inside", found.inside)
    monkeypatch.setattr(versions, "inside", found.inside)
    monkeypatch.setattr(clients, "context", lambda *_: None)
    monkeypatch.setattr(clients, "request", found.request)
    monkeypatch.setattr(balancers, "answer_in_clear", found.answer_in_clear)
    return found


def refused() -> set[str]:
    """Return the controls that fail, of those that try something."""
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    chosen = [c for c in balancers.CONTROLS if c.identifier in TRIED]
    return {c.identifier for c in chosen if not c.check(cluster).ok}


def test_our_balancers_pass(readings: Readings) -> None:
    """The failures below are those of one answer."""
    assert refused() == set()


@pytest.mark.parametrize("name", balancers.ALL)
@pytest.mark.parametrize("said", ["PATH=/usr/bin\n", ""])
def test_socket_that_obeys_is_seen(readings: Readings, name: str, said: str) -> None:
    """`level admin`: whoever reaches the socket moves the servers."""
    readings.orders[name] = said

    assert refused() == {"HA-04"}


@pytest.mark.parametrize("name", balancers.ALL)
def test_socket_for_all_is_seen(readings: Readings, name: str) -> None:
    """Another account of the container may write to it."""
    readings.modes[name] = "666\n"

    assert refused() == {"HA-04"}


@pytest.mark.parametrize("node", HAPROXY)
@pytest.mark.parametrize(
    ("method", "code"), [("GET", 200), ("GET", 503), ("POST", 200), ("POST", 303), ("POST", 401)]
)
def test_page_that_answers_more_is_seen(
    readings: Readings, node: str, method: str, code: int
) -> None:
    """Open without a password, or obeying with one; another refusal proves neither."""
    readings.codes[node, method] = code

    assert refused() == {"HA-05"}


@pytest.mark.parametrize("node", HAPROXY)
@pytest.mark.parametrize("password", ["insecure-password clair", "password $1$sel$court"])
def test_password_that_is_not_hashed_is_seen(readings: Readings, node: str, password: str) -> None:
    """What a stolen file gives would be the password, or nearly."""
    user = TOPOLOGY.settings.haproxy_admin_user
    before = next(line for line in FILES[node].splitlines() if f"user {user} password" in line)
    readings.files[node] = FILES[node].replace(before, f"    user {user} {password}")

    assert refused() == {"HA-05"}


@pytest.mark.parametrize("node", HAPROXY)
@pytest.mark.parametrize("service", ["rw", "ro"])
def test_answer_in_clear_is_seen(readings: Readings, node: str, service: str) -> None:
    """The user's name has crossed the internal network."""
    point = TOPOLOGY.endpoint(service, node)
    readings.in_clear[point.host, point.port] = b"R"

    assert refused() == {"HA-06"}


@pytest.mark.parametrize("name", balancers.ALL)
@pytest.mark.parametrize(
    ("old", "new"),
    [("long-term supported", "stable"), ("Q2 2999", "Q2 2020"), ("will stop", "no"), (VERSION, "")],
)
def test_branch_without_corrections_is_seen(
    readings: Readings, name: str, old: str, new: str
) -> None:
    """Short-lived, ended, or of no known end."""
    # `said` shows the first line of the first one.
    readings.versions[name] = VERSION.replace(old, new) or "\n"

    assert refused() == {"HA-07"}
