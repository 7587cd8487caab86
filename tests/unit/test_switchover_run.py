"""The steps of a switchover in order, and what a failure of each one leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from citadelle import accounts, switchover
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from citadelle.routing import Routes
from citadelle.topology import HAPROXY
from citadelle.workspace import Home
from tests.unit import fake_poolers
from tests.unit.fake_poolers import Scene
from tests.unit.pki_home import CLUSTER

HOME = Home(Path("nowhere"))
OLD, NEW, OTHER = "pg1", "pg2", "pg3"
# No wait in these tests: what is not there at once does not come.
PATIENCE_SECONDS = 0.05


class Cluster:
    """Patroni and both load balancers; the switchover happens when it is ordered."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.primary = OLD
        self.timeline = 4
        self.auth = ("user", "fictif")
        # What does not follow: "patroni", "promotion", "writes" or "reads".
        self.stuck = ""

    def leader(self) -> str | None:
        """Return the primary."""
        return self.primary or None

    def request(self, node: str, method: str, path: str, **_options: object) -> httpx.Response:
        """Answer as Patroni 4.1 does."""
        if (method, path) == ("POST", "/switchover"):
            return self._switch()
        if path == "/cluster":
            return httpx.Response(200, json={"members": self._members()})
        role = "primary" if node == self.primary else "replica"
        return httpx.Response(200, json={"role": role, "timeline": self.timeline})

    def routes(self) -> Routes:
        """Follow the primary, unless something is stuck."""
        writer = OLD if self.stuck == "writes" else self.primary
        apart = OLD if self.stuck == "reads" else self.primary
        one = {"rw": frozenset({writer}), "ro": frozenset({OLD, NEW, OTHER}) - {apart}}
        self.scene.events.append("routes")
        return dict.fromkeys(HAPROXY, one)

    def _switch(self) -> httpx.Response:
        self.scene.events.append("switchover")
        if self.stuck == "patroni":
            return httpx.Response(412, text="no good candidates have been found")
        if self.stuck != "promotion":
            self.primary, self.timeline = NEW, self.timeline + 1
        return httpx.Response(200, text="Successfully switched over")

    def _members(self) -> list[dict[str, Any]]:
        roles = {OLD: "leader", NEW: "sync_standby", OTHER: "replica"}
        state = {"state": "streaming", "timeline": self.timeline}
        return [{"name": name, "role": role, **state} for name, role in roles.items()]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Put a fake cluster in the place of the real one."""
    scene = fake_poolers.install(monkeypatch)
    cluster = Cluster(scene)

    def sql(_topology: object, node: str, order: str) -> str:
        scene.events.append(f"{order} {node}")
        return ""

    monkeypatch.setattr(switchover, "Patroni", lambda *_: cluster)
    monkeypatch.setattr(switchover, "Routing", lambda *_: cluster)
    monkeypatch.setattr(accounts, "run_sql", sql)
    monkeypatch.setattr("citadelle.pause.Pause.left", lambda _: PATIENCE_SECONDS)
    monkeypatch.setattr(switchover, "NEEDED_SECONDS", PATIENCE_SECONDS)
    return cluster


def run(cluster: Cluster) -> switchover.Outcome:
    """Switch over and forget the looks at load balancers."""
    try:
        return switchover.run(CLUSTER, HOME, Steps())
    finally:
        cluster.scene.events = [event for event in cluster.scene.events if event != "routes"]


def index(cluster: Cluster, event: str) -> int:
    """Return when something happened first."""
    return next(n for n, found in enumerate(cluster.scene.events) if found.startswith(event))


def test_order(cluster: Cluster) -> None:
    """Everything that takes time comes before clients wait."""
    run(cluster)
    steps = ("CHECKPOINT", "arm", "PAUSE", "switchover", "RESUME", "disarm")

    assert [index(cluster, s) for s in steps] == sorted(index(cluster, s) for s in steps)


def test_both_nodes_write_their_memory_first(cluster: Cluster) -> None:
    """The one that stops, and the one that is promoted."""
    run(cluster)

    assert {f"CHECKPOINT; {node}" for node in (OLD, NEW)} <= set(cluster.scene.events)


def test_outcome(cluster: Cluster) -> None:
    """Who, which timeline, how long each pooler's clients waited."""
    found = run(cluster)

    assert (found.plan.target, found.timeline, found.problem) == (NEW, 5, None)
    assert len(found.pauses) == len(set(found.pauses)) == 4


@pytest.mark.parametrize("stuck", ["patroni", "promotion", "writes", "reads"])
def test_failure_leaves_nobody_paused(cluster: Cluster, stuck: str) -> None:
    """Whatever does not follow: clients go on."""
    cluster.stuck = stuck
    with pytest.raises(CitadelleError):
        run(cluster)

    assert (cluster.scene.paused, cluster.scene.events[-1]) == (set(), "disarm")


def test_slow_poolers_leave_no_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not end in time is not ordered: nothing has changed, clients go on."""
    monkeypatch.setattr(switchover, "NEEDED_SECONDS", 2 * PATIENCE_SECONDS)
    with pytest.raises(CitadelleError, match="rien n'a été changé"):
        run(cluster)

    assert "switchover" not in cluster.scene.events
    assert (cluster.scene.paused, cluster.scene.events[-1]) == (set(), "disarm")


def test_refusal_of_patroni_is_told_at_once(cluster: Cluster) -> None:
    """In its own words, and who stays the primary."""
    cluster.stuck = "patroni"
    with pytest.raises(CitadelleError, match=r"412 no good candidates.*pg1 reste le primaire"):
        run(cluster)


def test_writers_go_on_only_behind_the_new_primary(cluster: Cluster) -> None:
    """Never while a load balancer still sends them to the old one."""
    cluster.stuck = "writes"
    with pytest.raises(CitadelleError, match="envoie les écritures vers pg1"):
        run(cluster)


def test_readers_wait_for_the_load_balancers(cluster: Cluster) -> None:
    """Writers went on already."""
    cluster.stuck = "reads"
    with pytest.raises(CitadelleError, match=f"encore des lectures vers {NEW}"):
        run(cluster)

    resumed = [event for event in cluster.scene.events if event.startswith("RESUME")]
    assert resumed[:2] == fake_poolers.each("RESUME app")


def test_unsafe_changes_nothing(cluster: Cluster) -> None:
    """A load balancer of another opinion: neither PAUSE nor switchover."""
    cluster.stuck = "writes"
    cluster.primary = NEW
    with pytest.raises(CitadelleError, match="Bascule refusée, rien n'a été changé"):
        run(cluster)

    assert cluster.scene.events == []


def test_no_primary_changes_nothing(cluster: Cluster) -> None:
    """A failover is going on: not the moment."""
    cluster.primary = ""
    with pytest.raises(CitadelleError, match="Aucun primaire"):
        run(cluster)

    assert cluster.scene.events == []


def test_report_shows_pauses(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator reads who is the primary now and every pooler's pause."""
    switchover.show(run(cluster))
    text = capsys.readouterr().out

    assert f"Primaire : {OLD} → {NEW}, ligne de temps 5" in text
    assert text.count("pgbouncer1") == 2
