"""Clients are held between arming and disarming, and let go whatever happens inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from citadelle import poolers
from citadelle.errors import CitadelleError
from citadelle.pause import paused
from citadelle.poolers import Order
from citadelle.progress import Steps
from citadelle.topology import PGBOUNCER
from citadelle.workspace import Home
from tests.unit import fake_poolers
from tests.unit.fake_poolers import DATABASES, Scene
from tests.unit.pki_home import CLUSTER

HOME = Home(Path("nowhere"))
EVERYTHING = len(PGBOUNCER) * len(DATABASES)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Fake poolers and timers."""
    return fake_poolers.install(monkeypatch)


def verbs(scene: Scene) -> list[str]:
    """Return what happened, without names."""
    return [event.split(" ")[0] for event in scene.events]


def test_order(scene: Scene) -> None:
    """The timers run before anyone waits, and until everyone goes on."""
    with paused(CLUSTER, HOME, Steps()):
        scene.events.append("body")

    pauses, resumes = ["PAUSE"] * EVERYTHING, ["RESUME"] * EVERYTHING
    assert verbs(scene) == ["arm", *pauses, "body", *resumes, "disarm"]


@pytest.mark.parametrize("error", [CitadelleError("refus"), KeyboardInterrupt()])
def test_body_that_fails_resumes(scene: Scene, error: BaseException) -> None:
    """A refusal of Patroni or Ctrl-C leaves nobody paused."""
    with pytest.raises(type(error)), paused(CLUSTER, HOME, Steps()):
        raise error

    assert (scene.paused, verbs(scene)[-1]) == (set(), "disarm")


def test_late_pause_resumes_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """One long transaction on one pooler: the others are let go too, and the message says so."""

    def give(orders: Sequence[Order], seconds: float, _idle: object) -> list[Order]:
        scene.give(orders, seconds)
        return [orders[-1]]

    monkeypatch.setattr(poolers, "give", give)
    expected = f"{PGBOUNCER[-1]}/app_ro .plus de 2 s.*Rien n'a été changé"
    with pytest.raises(CitadelleError, match=expected), paused(CLUSTER, HOME, Steps()):
        scene.events.append("body")

    assert scene.paused == set()
    assert "body" not in scene.events


def test_order_that_never_came_is_no_problem(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """RESUME of what was not paused yet: PgBouncer says so, and that is success."""

    def nothing(orders: Sequence[Order], _seconds: float, _idle: object) -> list[Order]:
        return list(orders)

    monkeypatch.setattr(poolers, "give", nothing)
    with pytest.raises(CitadelleError, match="PAUSE impossible"), paused(CLUSTER, HOME, Steps()):
        pass

    assert verbs(scene)[-1] == "disarm"


def test_failed_resume_leaves_the_timers(scene: Scene) -> None:
    """Where this command cannot resume, the timer of the container must."""
    with pytest.raises(CitadelleError, match="RESUME refusé"), paused(CLUSTER, HOME, Steps()):
        scene.broken = PGBOUNCER[0]

    assert {name for name, _ in scene.paused} == {PGBOUNCER[0]}
    assert "disarm" not in scene.events


def test_timer_that_fired_is_told(scene: Scene) -> None:
    """Clients went on too early: the operator must know that they may have seen errors."""
    with paused(CLUSTER, HOME, Steps()) as held:
        scene.paused.clear()

    assert held.problem() is not None


def test_pause_in_time_is_no_problem(scene: Scene) -> None:
    """The warning above is not always there."""
    with paused(CLUSTER, HOME, Steps()) as held:
        pass

    assert held.problem() is None
    assert len(held.durations) == EVERYTHING


def test_writers_can_go_first(scene: Scene) -> None:
    """Readers wait for the load balancers a little longer."""
    with paused(CLUSTER, HOME, Steps()) as held:
        held.resume(lambda database: not database.read_only)
        left = {name for _, name in scene.paused}

    assert left == {"app_ro"}
    assert scene.paused == set()


def test_some_databases_only(scene: Scene) -> None:
    """While a replica leaves, writers go on."""
    with paused(CLUSTER, HOME, Steps(), lambda database: database.read_only):
        held = {name for _, name in scene.paused}

    assert held == {"app_ro"}


def test_database_paused_on_purpose_stops_everything(scene: Scene) -> None:
    """Another operator's PAUSE is not for this command to end."""
    scene.paused.add((PGBOUNCER[1], "app"))
    expected = f"Déjà en pause : {PGBOUNCER[1]}/app"
    with pytest.raises(CitadelleError, match=expected), paused(CLUSTER, HOME, Steps()):
        pass

    assert scene.events == []


def test_pooler_paused_on_purpose_stops_everything(scene: Scene) -> None:
    """PAUSE without a name does not show on the databases."""
    scene.stopped = PGBOUNCER[0]
    expected = f"Déjà en pause : {PGBOUNCER[0]}[.]"
    with pytest.raises(CitadelleError, match=expected), paused(CLUSTER, HOME, Steps()):
        pass

    assert scene.events == []


def test_pause_waits_for_logins(scene: Scene) -> None:
    """A connection being opened when PAUSE comes is a failed login for PgBouncer."""
    scene.logins = [3, 0, 0, 0]
    with paused(CLUSTER, HOME, Steps()):
        asked = len(scene.logins)

    assert asked == 0


def test_pause_does_not_wait_for_ever_for_logins(scene: Scene) -> None:
    """PostgreSQL that does not answer: nothing is paused."""
    scene.logins = [1] * 1000
    with pytest.raises(CitadelleError, match="Calme"), paused(CLUSTER, HOME, Steps()):
        pass

    assert "PAUSE" not in verbs(scene)


def test_left_never_outlives_the_timers(scene: Scene) -> None:
    """What is left for the body ends before the containers' timers do."""
    with paused(CLUSTER, HOME, Steps()) as held:
        left = held.left()

    assert 0 < left < 10
