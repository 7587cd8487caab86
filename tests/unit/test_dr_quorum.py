"""The one start that makes a quorum of one member: its configuration, its secrets, its answers."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from citadelle import engine, pki, render
from citadelle.dr import quorum
from citadelle.etcd import prefix
from citadelle.topology import CONTAINERS
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
HOME = Home(factory.__file__)  # type: ignore[arg-type]  # never read


@pytest.fixture(autouse=True)
def _fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    """No certificates on disk."""
    monkeypatch.setattr(pki, "fingerprint", lambda _home: "empreinte")


def row(name: str, value: str) -> dict[str, str]:
    """Return a key of Patroni's as the JSON gateway gives it."""
    key = f"{prefix(TOPOLOGY)}{name}"
    return {k: base64.b64encode(v.encode()).decode() for k, v in (("key", key), ("value", value))}


ANSWERS: list[dict[str, Any]] = [
    {"code": 3, "message": "etcdserver: user name is empty"},
    {"token": "x"},
    {"members": [{"name": "etcd3"}]},
    {"users": ["patroni", "root"]},
    {"roles": ["patroni", "root"]},
    {"kvs": [row("leader", "pg1"), row("status", '{"optime": 84154776, "slots": {}}')]},
]


def test_only_what_the_start_needs_differs() -> None:
    """Certificates, names and authentication stay the member's own."""
    found = quorum.configuration(TOPOLOGY, HOME, "etcd3", copy=False)
    container = next(c for c in CONTAINERS if c.name == "etcd3")
    usual = yaml.safe_load(render.files(TOPOLOGY, container, "empreinte")["etcd.yml"])
    changed = {key for key in found if found[key] != usual.get(key)}

    assert changed == {"force-new-cluster", "listen-peer-urls", "listen-client-urls"}


def test_a_rehearsal_has_its_own_data() -> None:
    """In memory: the member's are mounted read-only."""
    assert (
        quorum.configuration(TOPOLOGY, HOME, "etcd3", copy=True)["data-dir"] == "/tmp/data"
    )  # the container's


def test_what_a_member_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members, users and roles; the primary's last noted position."""
    commands = _engine(monkeypatch, ANSWERS)
    past = quorum.rehearse(TOPOLOGY, HOME, "etcd3")

    assert (past.members, past.leader, past.optime) == (("etcd3",), "pg1", 84154776)
    assert quorum.problems(past, "etcd3") == []
    (started,) = [argv for argv in commands if argv[0] == "run"]
    assert any(word.endswith("data-etcd3:/source:ro") for word in started)
    assert "--network=none" in started


def test_no_password_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's goes through standard input."""
    commands = _engine(monkeypatch, ANSWERS)
    quorum.rehearse(TOPOLOGY, HOME, "etcd3")
    secret = TOPOLOGY.settings.etcd_root_password.reveal()

    assert not any(secret in word for argv in commands for word in argv)


def test_an_open_quorum_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a login, nobody may get an answer."""
    _engine(monkeypatch, [{"users": ["root"]}, *ANSWERS[1:]])
    past = quorum.rehearse(TOPOLOGY, HOME, "etcd3")

    assert quorum.problems(past, "etcd3") == ["l'authentification d'etcd est éteinte"]


@pytest.mark.parametrize("status", ["", "{", "{}", '{"optime": null}'])
def test_no_position_is_unknown(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """Never zero."""
    _engine(monkeypatch, [*ANSWERS[:-1], {"kvs": [row("status", status)]}])

    assert quorum.rehearse(TOPOLOGY, HOME, "etcd3").optime is None


def _engine(
    monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]
) -> list[tuple[str, ...]]:
    """Answer the one start with these; return the commands as they come."""
    commands: list[tuple[str, ...]] = []

    def docker(*argv: str, **_options: Any) -> str:  # noqa: ANN401  # the engine's own
        commands.append(argv)
        return "\n".join(map(json.dumps, answers)) if argv[0] == "run" else ""

    monkeypatch.setattr(engine, "docker", docker)
    monkeypatch.setattr(engine, "inspect", lambda *_names: [{"Image": "sha256:image"}])
    return commands
