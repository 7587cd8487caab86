"""Poolers that only remember what they are told: consoles without PgBouncer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from citadelle import deadman, pause, poolers
from citadelle.poolers import Order
from citadelle.topology import PGBOUNCER
from tests.unit.pki_home import CLUSTER

S = CLUSTER.settings
DATABASES = {S.app_database: S.haproxy_rw_port, f"{S.app_database}_ro": S.haproxy_ro_port}


class Rows(list[dict[str, Any]]):
    """What a console answers."""

    def fetchall(self) -> list[dict[str, Any]]:
        """Return every row, as a cursor does."""
        return self


@dataclass
class Scene:
    """Every pooler; ``events`` in the order in which they happened, ``paused`` as they are."""

    events: list[str] = field(default_factory=list)
    paused: set[tuple[str, str]] = field(default_factory=set)
    logins: list[int] = field(default_factory=list)
    clients: list[int] = field(default_factory=list)
    stopped: str = ""
    broken: str = ""

    def console(self, _topology: object, _home: object, pooler: str) -> Console:
        """Open a console."""
        return Console(self, pooler)

    def give(self, orders: Sequence[Order], _seconds: float, _idle: object = ()) -> list[Order]:
        """Pause what is asked."""
        for order in orders:
            self.events.append(f"{order.text} {order.database.pooler}")
            self.paused.add((order.database.pooler, order.database.name))
        return []


@dataclass
class Console:
    """One connection to one pooler's console."""

    scene: Scene
    pooler: str

    def close(self) -> None:
        """Nothing is open."""

    def execute(self, order: str | bytes) -> Rows:
        """Answer as PgBouncer 1.24 does."""
        text = order.decode() if isinstance(order, bytes) else order
        verb, _, name = text.partition(" ")
        if verb == "SHOW":
            return Rows(getattr(self, f"_{name.lower()}")())
        if verb != "RESUME":
            self.scene.events.append(f"{text} {self.pooler}")
            return Rows()
        if self.pooler == self.scene.broken:
            raise psycopg.OperationalError("the connection is lost")
        if (self.pooler, name) not in self.scene.paused:
            raise psycopg.errors.ProtocolViolation(f"database {name} is not paused")
        self.scene.paused.discard((self.pooler, name))
        self.scene.events.append(f"{text} {self.pooler}")
        return Rows()

    def _databases(self) -> list[dict[str, Any]]:
        rows = [
            {"name": name, "port": str(port), "paused": str(int(self._is_paused(name)))}
            for name, port in DATABASES.items()
        ]
        return [*rows, {"name": "pgbouncer", "port": "6432", "paused": "0"}]

    def _is_paused(self, name: str) -> bool:
        return (self.pooler, name) in self.scene.paused

    def _state(self) -> list[dict[str, Any]]:
        active = "no" if self.pooler == self.scene.stopped else "yes"
        return [{"key": "active", "value": active}, {"key": "paused", "value": "no"}]

    def _pools(self) -> list[dict[str, Any]]:
        return [{"sv_login": str(self.scene.logins.pop(0) if self.scene.logins else 0)}]

    def _clients(self) -> list[dict[str, Any]]:
        left = self.scene.clients.pop(0) if self.scene.clients else 0
        return [{"database": "app"}] * left + [{"database": "pgbouncer"}]


@dataclass(frozen=True)
class Switch:
    """A dead man's switch that tells when it is armed and disarmed."""

    scene: Scene

    def disarm(self) -> None:
        """Put it out."""
        self.scene.events.append("disarm")


def install(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Put fake poolers and timers in the place of the real ones."""
    scene = Scene()

    def arm(_topology: object, _databases: object) -> Switch:
        scene.events.append("arm")
        return Switch(scene)

    monkeypatch.setattr(poolers, "console", scene.console)
    monkeypatch.setattr(poolers, "give", scene.give)
    monkeypatch.setattr(deadman, "arm", arm)
    monkeypatch.setattr(pause, "QUIET_SECONDS", 0.05)
    return scene


def each(text: str) -> list[str]:
    """Return one event per pooler."""
    return [f"{text} {pooler}" for pooler in PGBOUNCER]
