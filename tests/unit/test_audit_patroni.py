"""Patroni under the audit's eyes: an API that answers more than it must is seen."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from citadelle import clients, engine, render
from citadelle.audit import patroni, versions
from citadelle.audit.control import Cluster
from citadelle.topology import PG
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
LEADER = PG[1]
SHARED: dict[str, Any] = yaml.safe_load(render.dynamic_configuration(TOPOLOGY))
ALERT = "TLSV13_ALERT_CERTIFICATE_REQUIRED\n"


class Readings:
    """What a Patroni in order answers; each test changes one thing of it."""

    def __init__(self) -> None:
        self.alerts = dict.fromkeys(PG, ALERT)
        self.codes = {(n, m): c for n in PG for m, c in (("PATCH", 401), ("GET", 403))}
        self.versions = dict.fromkeys(PG, "4.1.5")
        self.shared = copy.deepcopy(SHARED)

    def execute(self, container: str, *_argv: str, stdin: bytes) -> str:
        """Return the alert that a stranger gets on the loopback of a pod."""
        port = TOPOLOGY.settings.patroni_rest_port
        return self.alerts[container.rpartition("-")[2]] if str(port).encode() in stdin else ""

    def request(self, *argv: object, server_name: str, **_options: object) -> httpx.Response:
        """Return what the guard of a pod answers to a method on /config."""
        _, method, address, _, path = argv
        assert (address, path) == (TOPOLOGY.address(server_name, "pg"), "/config")
        return httpx.Response(self.codes[server_name, str(method)])


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Return the answers that the controls below are given."""
    found = Readings()
    monkeypatch.setattr(clients, "context", lambda *_: None)
    monkeypatch.setattr(clients, "request", found.request)
    monkeypatch.setattr(engine, "execute", found.execute)
    monkeypatch.setattr(patroni, "leader", lambda _: LEADER)
    monkeypatch.setattr(
        patroni, "answer", lambda _, *asked: {(LEADER, "/config"): found.shared}[asked]
    )
    monkeypatch.setattr(versions, "said", lambda *_: found.versions)
    return found


def failing() -> set[str]:
    """Return the controls of Patroni that fail."""
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    return {c.identifier for c in patroni.CONTROLS if not c.check(cluster).ok}


def test_our_patroni_passes(readings: Readings) -> None:
    """The failures below are those of one answer."""
    assert failing() == set()


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("version", ["4.1.0", "3.3.2", "inconnue"])
def test_version_without_the_corrections_is_seen(
    readings: Readings, node: str, version: str
) -> None:
    """One that does not authenticate each call to etcd, or does not say what it is."""
    readings.versions[node] = version

    assert failing() == {"PA-01"}


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("said", ["accepté\n", "", "TLSV1_ALERT_UNKNOWN_CA\n"])
def test_api_open_behind_its_guard_is_seen(readings: Readings, node: str, said: str) -> None:
    """`verify_client: none` on the loopback, or another refusal than the one that proves it."""
    readings.alerts[node] = said

    assert failing() == {"PA-02"}


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("code", [200, 403, 503])
def test_change_without_a_password_is_seen(readings: Readings, node: str, code: int) -> None:
    """Taken, or refused for another reason than the password."""
    readings.codes[node, "PATCH"] = code

    assert failing() == {"PA-03"}


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("code", [200, 401])
def test_load_balancer_that_reads_more_is_seen(readings: Readings, node: str, code: int) -> None:
    """The shared configuration says what the cluster is made of."""
    readings.codes[node, "GET"] = code

    assert failing() == {"PA-04"}


def _command(shared: dict[str, Any]) -> None:
    shared["postgresql"].setdefault("parameters", {})["archive_command"] = "evil"


def _leader_elsewhere(shared: dict[str, Any]) -> None:
    shared["standby_cluster"] = {"host": "192.0.2.1"}


def _open_door(shared: dict[str, Any]) -> None:
    shared["postgresql"]["pg_hba"] = ["host all all all trust"]


def _other_lease(shared: dict[str, Any]) -> None:
    shared["ttl"] += 1


@pytest.mark.parametrize(
    "change", [_command, _leader_elsewhere, _open_door, _other_lease, dict.clear]
)
def test_shared_configuration_that_differs_is_seen(
    readings: Readings, change: Callable[[dict[str, Any]], None]
) -> None:
    """One setting more, another value, or nothing at all."""
    change(readings.shared)

    assert failing() == {"PA-05"}
