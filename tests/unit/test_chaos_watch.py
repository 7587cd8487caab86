"""The watcher: what counts as an answer, where it asks, that it stops."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from citadelle.chaos import watch
from citadelle.chaos.judge import Outcome, Sample
from citadelle.chaos.watch import Place, Probe
from citadelle.errors import CitadelleError
from citadelle.stress.session import AnswerTimeout
from citadelle.topology import HAPROXY, PG
from citadelle.workspace import Home
from tests.unit.chaos_lab import TOPOLOGY

ADDRESS = str(TOPOLOGY.address("pg2", "pg"))


class Server:
    """A connection whose answer to a write is known."""

    def __init__(self, answer: tuple[str, str] | psycopg.Error, *, cut: bool = False) -> None:
        self.answer = answer
        self.cut = cut
        self.closed = False

    def execute(self, _statement: bytes) -> Server:
        """Answer or fail; a cut connection is closed by it."""
        if isinstance(self.answer, psycopg.Error):
            self.closed = self.cut
            raise self.answer
        return self

    def fetchone(self) -> object:
        """Return the row."""
        return self.answer

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


def probe(server: Server | psycopg.Error, monkeypatch: pytest.MonkeyPatch, **place: Any) -> Probe:  # noqa: ANN401
    """Return a probe that reaches this server, or none."""

    class Connections:
        """Stands in for psycopg's class of connections."""

        @staticmethod
        def connect(**_parameters: object) -> Server:
            """Open the connection."""
            if isinstance(server, psycopg.Error):
                raise server
            return server

    monkeypatch.setattr(watch, "patient", lambda _expired: Connections)
    return Probe(Place("haproxy1", {}, **place), {ADDRESS: "pg2"})


def test_an_acknowledgement_names_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own address and timeline, whatever led there."""
    found = probe(Server((f"127.0.0.1,{ADDRESS}", "0000000A")), monkeypatch).sample()

    assert (found.outcome, found.node, found.timeline) == (Outcome.ACKNOWLEDGED, "pg2", 10)


READ_ONLY = psycopg.errors.ReadOnlySqlTransaction
FAILURES = {
    "réplica": (Server(READ_ONLY("lecture seule")), Outcome.REFUSED, False),
    "commit qui attend": (Server(AnswerTimeout("rien")), Outcome.SILENT, True),
    "coupé": (Server(psycopg.OperationalError("coupé"), cut=True), Outcome.SILENT, True),
    "arrêt": (
        Server(psycopg.errors.AdminShutdown("arrêt"), cut=True),
        Outcome.SILENT,
        True,
    ),
}


@pytest.mark.parametrize(("server", "outcome", "closed"), FAILURES.values(), ids=FAILURES)
def test_failures(
    server: Server, outcome: Outcome, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is an acknowledgement; a connection that may still hold an answer is given up."""
    assert probe(server, monkeypatch).sample().outcome is outcome
    assert server.closed is closed


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut pod, a dead one, a load balancer without a server."""
    found = probe(psycopg.OperationalError("refusé"), monkeypatch).sample()

    assert found.outcome is Outcome.UNREACHABLE


def test_a_load_balancer_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection would only tell where it led once."""
    server = Server((ADDRESS, "00000001"))
    place = probe(server, monkeypatch, renewed=0.0)
    place.sample()
    place.sample()

    assert server.closed


def test_a_server_keeps_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an application's session that outlives a failover would."""
    server = Server((ADDRESS, "00000001"))
    place = probe(server, monkeypatch)
    place.sample()
    place.sample()

    assert not server.closed


@pytest.fixture
def places(ready_home: Home) -> dict[str, Place]:
    """Return every place of factory's cluster."""
    return {place.name: place for place in watch.places(TOPOLOGY, ready_home)}


@pytest.mark.parametrize("node", PG)
def test_each_postgresql_is_asked_itself(node: str, places: dict[str, Place]) -> None:
    """At its own address, past HAProxy; its name is still verified."""
    found = places[node].parameters

    assert found["hostaddr"] == str(TOPOLOGY.address(node, "pg"))
    assert (found["host"], found["sslmode"]) == (node, "verify-full")


@pytest.mark.parametrize("node", HAPROXY)
def test_each_load_balancer_is_asked(node: str, places: dict[str, Place]) -> None:
    """One at a time: libpq would hide the one that does not answer behind the other."""
    found = places[node].parameters

    assert (found["host"], found["port"]) == (
        TOPOLOGY.endpoint("rw", node).host,
        TOPOLOGY.endpoint("rw", node).port,
    )


def test_the_watcher_stops() -> None:
    """At once, in the middle of its period, its connection closed."""
    stop = threading.Event()
    samples: list[Sample] = []

    class Quick(Probe):
        """Answers at once, and asks to stop at the third sample."""

        def sample(self) -> Sample:
            """Count."""
            if len(samples) == 2:
                stop.set()
            return Sample("pg1", 0.0, 0.0, Outcome.REFUSED)

    watch.repeat(Quick(Place("pg1", {}), {}), samples.append, stop)

    assert len(samples) == 3


def test_a_watcher_that_died_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it did not see any more may have been a second primary."""

    class Dead(Probe):
        """Dies of something that is no answer."""

        def sample(self) -> Sample:
            """Die."""
            raise ValueError("timeline illisible")

    monkeypatch.setattr(watch, "_prepare", lambda *_: None)
    monkeypatch.setattr(watch, "places", lambda *_: [Place("pg1", {})])
    monkeypatch.setattr(watch, "Probe", Dead)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    with (
        pytest.raises(CitadelleError, match="timeline illisible"),
        watch.watching(TOPOLOGY, Home(Path("nowhere"))),
    ):
        pass
