"""The fencer ends a lock only when its holder can write no more; every reason not to, alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from citadelle.errors import CitadelleError
from citadelle.fencer import fence
from citadelle.fencer.fence import Verdict
from citadelle.fencer.pods import Pod
from citadelle.fencer.watch import Watcher
from tests.unit.fencer_lab import HELD, World, dead, pod, restarting, revived


@pytest.fixture
def world() -> World:
    """Return a primary, pg1, a synchronous standby, pg2, and another replica."""
    return World()


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A death that does not come is not waited for."""
    monkeypatch.setattr(fence, "DEATH_SECONDS", 0.02)
    monkeypatch.setattr(fence, "DEATH_POLL_SECONDS", 0.001)


def judged(world: World) -> Verdict:
    """Judge the end of pg1, as the containers are now."""
    return fence.judge(world.pods["pg1"], world.pods, world.hands())


def test_lock_of_a_dead_primary_is_ended(world: World) -> None:
    """Killed by hand: nothing to kill nor to start again, the standby may race at once."""
    world.pods["pg1"] = dead(pod("pg1"))

    assert (judged(world), world.done) == (Verdict.FENCED, ["release"])


@pytest.mark.parametrize(
    "crashed", [restarting, lambda found: revived(found, 0.5)], ids=["to be", "is"]
)
def test_primary_that_the_engine_revives_is_killed_first(
    world: World, crashed: Callable[[Pod], Pod]
) -> None:
    """It stays dead until the lock is ended, then comes back as the engine would have had it."""
    world.pods["pg1"] = crashed(pod("pg1"))

    assert judged(world) is Verdict.FENCED
    assert world.done == ["kill id-of-pg1", "release", "start id-of-pg1"]


def test_lock_of_another_stays(world: World) -> None:
    """The end of a replica, or of a primary that handed over, is nobody's business."""
    world.pods["pg1"] = dead(pod("pg1"))
    world.lock = replace(HELD, holder="pg2", synchronous="pg2", standbys=("pg3",))

    assert (judged(world), world.done) == (Verdict.NOTHING, [])


def test_primary_revived_a_while_ago_is_left_alone(world: World) -> None:
    """A fencer that comes late must not kill a primary that serves again."""
    world.pods["pg1"] = revived(pod("pg1"), fence.REVIVED_SECONDS + 1)

    assert (judged(world), world.done) == (Verdict.NOTHING, [])


def test_primary_that_came_back_while_the_lock_was_read_is_left_alone(world: World) -> None:
    """Reading takes its time on a busy machine; a killing must not be late by it."""
    world.pods["pg1"] = restarting(pod("pg1"))

    def came_back() -> None:
        world.pods["pg1"] = revived(pod("pg1"), fence.REVIVED_SECONDS + 1)

    ended, seen = world.pods["pg1"], dict(world.pods)
    world.after_read = came_back

    assert fence.judge(ended, seen, world.hands()) is Verdict.NOTHING
    assert world.done == []


Change = Callable[[World], None]


def _paused(world: World) -> None:
    world.lock = replace(HELD, paused=True)


def _no_standby(world: World) -> None:
    world.lock = replace(HELD, standbys=())


def _dead_standby(world: World) -> None:
    world.pods["pg2"] = dead(pod("pg2"))


def _frozen_standby(world: World) -> None:
    world.pods["pg2"] = replace(pod("pg2"), paused=True)


def _stale_agreement(world: World) -> None:
    world.lock = replace(HELD, synchronous="pg3")


def _blind(world: World) -> None:
    world.processes = {"pg1": [], "pg2": [], "pg3": []}


@pytest.mark.parametrize(
    "obstacle", [_paused, _no_standby, _dead_standby, _frozen_standby, _stale_agreement, _blind]
)
@pytest.mark.parametrize("end", [dead, restarting], ids=["dead", "restarting"])
def test_nothing_is_touched_when_it_would_not_help(
    world: World, obstacle: Change, end: Callable[[Pod], Pod]
) -> None:
    """Nobody could take over, or the death could not be established: not even a kill."""
    world.pods["pg1"] = end(pod("pg1"))
    obstacle(world)

    assert (judged(world), world.done) == (Verdict.NOT_NOW, [])


def test_lock_written_again_stays(world: World) -> None:
    """Another revision is another lock, even in the same name."""
    world.pods["pg1"] = dead(pod("pg1"))

    def taken_back() -> None:
        world.lock = replace(HELD, revision="43")

    world.after_read = taken_back

    assert (judged(world), world.done) == (Verdict.NOT_NOW, ["release refused"])


def test_lock_taken_by_another_meanwhile_stays(world: World) -> None:
    """The new primary's lock is not the dead one's."""
    world.pods["pg1"] = dead(pod("pg1"))

    def taken() -> None:
        world.lock = replace(HELD, holder="pg2")

    world.after_read = taken

    assert (judged(world), world.done) == (Verdict.NOT_NOW, ["release refused"])


def _started_by_hand(world: World) -> None:
    world.pods["pg1"] = revived(pod("pg1"), 0)


def _recreated(world: World) -> None:
    world.pods["pg1"] = replace(dead(pod("pg1")), identity="another")


def _removed(world: World) -> None:
    world.pods.pop("pg1", None)


def _restarting_again(world: World) -> None:
    world.pods["pg1"] = restarting(pod("pg1"))


def _engine_silent(world: World) -> None:
    world.engine_answers = False


def _process_left(world: World) -> None:
    world.processes["pg1"] = [123]


@pytest.mark.parametrize("change", [_started_by_hand, _recreated, _removed, _restarting_again])
def test_container_that_is_not_dead_after_all_keeps_its_lock(world: World, change: Change) -> None:
    """The death is established after the lock was read, and of this very container."""
    world.pods["pg1"] = dead(pod("pg1"))
    ended, seen = world.pods["pg1"], dict(world.pods)
    world.after_read = lambda: change(world)

    assert fence.judge(ended, seen, world.hands()) is Verdict.NOT_NOW
    assert world.done == []


def test_process_that_is_left_keeps_the_lock(world: World) -> None:
    """The kernel contradicts the engine: nothing is established."""
    world.pods["pg1"] = dead(pod("pg1"))
    _process_left(world)

    assert (judged(world), world.done) == (Verdict.NOT_NOW, [])


@pytest.mark.parametrize("change", [_process_left, _recreated])
def test_killed_primary_comes_back_even_if_its_lock_stays(world: World, change: Change) -> None:
    """What the engine would have started is started, and its end is not judged again."""
    world.pods["pg1"] = restarting(pod("pg1"))
    kept = world._kill

    def kill(seen: Pod) -> None:
        kept(seen)
        change(world)

    tools = replace(world.hands(), kill=kill)

    assert fence.judge(world.pods["pg1"], dict(world.pods), tools) is Verdict.LEFT
    assert world.done == ["kill id-of-pg1", "start id-of-pg1"]


def test_killed_primary_is_started_until_it_is(world: World) -> None:
    """The engine does not answer at first; it would never start by itself what we killed."""
    world.pods["pg1"] = restarting(pod("pg1"))
    refusals = ["le moteur ne répond pas", "réseau absent"]

    def start(seen: Pod) -> None:
        if refusals:
            raise CitadelleError(refusals.pop())
        world._start(seen)

    tools = replace(world.hands(), start=start)

    assert fence.judge(world.pods["pg1"], dict(world.pods), tools) is Verdict.FENCED
    assert world.done == ["kill id-of-pg1", "release", "start id-of-pg1"]


# --- The watch -----------------------------------------------------------------------------------


@pytest.mark.parametrize("noticed", ["", "id-of-nobody"])
def test_container_that_runs_is_never_judged(world: World, noticed: str) -> None:
    """A frozen, silent or isolated primary runs: there is no end, hence no question."""
    world.pods["pg1"] = replace(pod("pg1"), paused=True)
    Watcher(world.hands()).turn(noticed)

    assert (world.done, world.said) == ([], [])


@pytest.mark.parametrize("trouble", [_engine_silent, lambda w: setattr(w, "etcd_answers", False)])
def test_silence_is_told_once_and_nothing_done(world: World, trouble: Change) -> None:
    """An engine or an etcd that does not answer proves nothing."""
    world.pods["pg1"] = dead(pod("pg1"))
    trouble(world)
    watcher = Watcher(world.hands())
    watcher.turn("id-of-pg1")
    watcher.turn("")

    assert (world.done, len(world.said)) == ([], 1)


def test_net_finds_an_end_that_nobody_announced(world: World) -> None:
    """The event stream may have been away."""
    world.pods["pg1"] = dead(pod("pg1"))
    Watcher(world.hands()).turn("")

    assert world.done == ["release"]


def test_end_is_judged_once(world: World) -> None:
    """A machine that stays down is not asked about for hours."""
    world.pods["pg2"] = dead(pod("pg2"))
    watcher = Watcher(world.hands())
    watcher.turn("id-of-pg2")
    watcher.turn("")

    assert len(world.said) == 1


def test_own_kill_is_no_new_end(world: World) -> None:
    """The engine announces it like any other; the node that came back must not be killed again."""
    world.pods["pg1"] = restarting(pod("pg1"))
    watcher = Watcher(world.hands())
    watcher.turn("id-of-pg1")
    world.lock = HELD  # it took its lock back at once, whatever that means
    watcher.turn("id-of-pg1")

    assert world.done == ["kill id-of-pg1", "release", "start id-of-pg1"]


def test_end_is_judged_again_after_an_obstacle(world: World) -> None:
    """The standby may come back before the lease is over."""
    world.pods["pg1"] = dead(pod("pg1"))
    _frozen_standby(world)
    watcher = Watcher(world.hands())
    watcher.turn("id-of-pg1")
    world.pods["pg2"] = pod("pg2")
    watcher.turn("")

    assert world.done == ["release"]
