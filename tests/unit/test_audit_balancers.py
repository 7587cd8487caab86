"""HAProxy's configuration under the audit's eyes: a weakened copy turns its control red."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import render
from citadelle.audit import balancers
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
