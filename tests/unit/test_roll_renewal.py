"""Replaced when something changed, restarted when not, networks left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from citadelle import engine, renewal
from citadelle.renewal import renew, services
from citadelle.topology import CONTAINERS, ETCD, HAPROXY, HOLDERS, PG, PGBOUNCER
from citadelle.workspace import Home
from tests.unit.pki_home import CLUSTER

HOME = Home(Path("nowhere"))
PREFIX = f"{CLUSTER.settings.cluster_name}-"


class Engine:
    """Containers with a hash and a number of starts; compose replaces those whose hash differs."""

    def __init__(self) -> None:
        self.wanted: dict[str, str] = {}
        self.hashes: dict[str, str] = {}
        self.starts: dict[str, int] = {}
        self.restarted: list[str] = []
        self.composed: list[str] = []

    def docker(self, *argv: str, **_: object) -> str:
        """Answer `compose config`, `compose up` and `restart`."""
        if "--hash" in argv:
            return "".join(f"{name} {self.wanted.get(name, 'h')}\n" for name in argv[-1].split(","))
        if "up" in argv:
            self._up(argv[argv.index("--no-deps") + 1 :])
        if argv[0] == "restart":
            self.restarted = [name.removeprefix(PREFIX) for name in argv[3:]]
        return ""

    def inspect(self, _kind: str, *names: str) -> list[dict[str, Any]]:
        """Describe containers."""
        return [self._container(name.removeprefix(PREFIX)) for name in names]

    def _up(self, names: tuple[str, ...]) -> None:
        self.composed = list(names)
        for name in names:
            if self.wanted.get(name, "h") != self.hashes.get(name, "h"):
                self.hashes[name] = self.wanted.get(name, "h")
                self.starts[name] = self.starts.get(name, 0) + 1

    def _container(self, name: str) -> dict[str, Any]:
        labels = {renewal.HASH_LABEL: self.hashes.get(name, "h")}
        state = {"StartedAt": str(self.starts.get(name, 0))}
        return {"Id": name, "State": state, "Config": {"Labels": labels}}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine without containers."""
    found = Engine()
    monkeypatch.setattr(engine, "docker", found.docker)
    monkeypatch.setattr(engine, "inspect", found.inspect)
    return found


def test_unchanged_is_restarted(fake: Engine) -> None:
    """Without compose, which takes time while clients wait."""
    renew(CLUSTER, HOME, ("haproxy1",))

    assert (fake.composed, fake.restarted) == ([], ["haproxy1"])


def test_changed_is_replaced(fake: Engine) -> None:
    """Once: a new container needs no restart."""
    fake.wanted["haproxy1"] = "autre"
    renew(CLUSTER, HOME, ("haproxy1",))

    assert (fake.composed, fake.restarted) == (["haproxy1"], [])


def test_network_is_not_restarted(fake: Engine) -> None:
    """It would be taken from those that live in it."""
    renew(CLUSTER, HOME, ("pg1-net", "pg1"))

    assert fake.restarted == ["pg1"]


def test_part_of_a_machine_may_have_changed(fake: Engine) -> None:
    """The rest is restarted all the same."""
    fake.wanted["pgbouncer1"] = "autre"
    renew(CLUSTER, HOME, ("pgbouncer1-net", "pgbouncer1"))

    assert (fake.composed, fake.restarted) == (["pgbouncer1-net", "pgbouncer1"], [])


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("etcd1", ("etcd1",)),
        ("pg2", ("pg2-net", "pg2", "pg2-gw")),
        ("haproxy2", ("haproxy2",)),
        ("pgbouncer1", ("pgbouncer1-net", "pgbouncer1")),
    ],
)
def test_machine_s_containers(machine: str, expected: tuple[str, ...]) -> None:
    """Its network first."""
    assert services(machine) == expected


def test_every_container_belongs_to_a_machine() -> None:
    """A roll of everything leaves none out."""
    machines = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
    found = [name for machine in machines for name in services(machine)]

    assert sorted(found) == sorted((*(c.name for c in CONTAINERS), *HOLDERS))
