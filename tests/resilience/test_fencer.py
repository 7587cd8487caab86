"""The fencer on a real cluster: it ends a dead primary's lock, and no living one's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from citadelle import engine, pki
from citadelle.chaos import containers, cuts, processes, run
from citadelle.chaos.fault import Field
from citadelle.etcd import Etcd, key_of, prefix
from citadelle.fencer import child, fence, heartbeat, lock, pods
from citadelle.fencer.lock import Conversation, Lock
from citadelle.fencer.watch import POLL_SECONDS, Watcher
from citadelle.patroni import Patroni
from citadelle.progress import wait_until
from citadelle.topology import PG
from tests.arena import Arena

pytestmark = pytest.mark.disruptive

# Less than what is left of a lease at its shortest (18 s): without the fencer, nothing comes.
FENCED_SECONDS = 15.0
HEALTH_SECONDS = 120.0
# More than one look of the net, less than a lease: if the lock moves, the fencer moved it.
SILENCE_SECONDS = POLL_SECONDS + 4.0


@dataclass
class Scene:
    """The cluster of a test, the fencer's log, and the lock as it was before."""

    arena: Arena
    field: Field
    log: Path
    before: Lock

    def said(self) -> list[str]:
        """Return what the fencer said since it watches."""
        return self.log.read_text().splitlines()[1:]

    def lock(self) -> Lock:
        """Read the lock through any pod that can."""
        names = [pod.container for pod in self.pods().values() if pod.serving]
        with lock.asked(names) as question:
            return question.lock

    def pods(self) -> dict[str, pods.Pod]:
        """Look at the containers."""
        return pods.look(self.arena.topology, pki.fingerprint(self.arena.home))


@pytest.fixture
def field(arena: Arena) -> Iterator[Field]:
    """A healthy cluster, and whatever was done to it undone afterwards."""
    _await_health(arena)
    found = Field(arena.topology, arena.home)
    yield found
    for undo in (cuts.heal, containers.revive):
        undo(found)


@pytest.fixture
def scene(arena: Arena, field: Field, tmp_path: Path) -> Iterator[Scene]:
    """The same, a fencer at watch."""
    log = tmp_path / "fencer.log"
    with child.alongside(arena.topology, arena.home, log):
        found = Scene(arena, field, log, before=Lock("", "", "", (), paused=False))
        found.before = found.lock()
        assert found.before.holder == field.primary
        yield found


def _await_health(arena: Arena) -> None:
    problems = functools.partial(run.problems, arena.topology, arena.home)
    wait_until(lambda: "; ".join(problems()) or None, "Cluster sain", HEALTH_SECONDS)


# --- It fires ------------------------------------------------------------------------------------


def _pod_killed(field: Field) -> None:
    containers.kill(field, *containers.pod(field.primary))


def _everything_inside_killed(field: Field) -> None:
    field.touched.add(field.primary)
    # The init, which a kernel protects from inside, ends with its daemon; the engine revives it.
    processes.kill_patroni(field.container(field.primary))


@pytest.mark.parametrize(
    "end", [_pod_killed, pytest.param(_everything_inside_killed, marks=pytest.mark.slow)]
)
def test_dead_primary_is_replaced_before_its_lease_ends(
    scene: Scene, end: Callable[[Field], None]
) -> None:
    """By the synchronous standby; who was revived comes back as a replica."""
    old, heirs = scene.before.holder, scene.before.standbys
    end(scene.field)
    patroni = Patroni(scene.arena.topology, scene.arena.home)

    def missing() -> str | None:
        leader = patroni.leader()
        return None if leader not in (None, old) else "pas de nouveau primaire"

    wait_until(missing, "Nouveau primaire", FENCED_SECONDS, poll=0.2)
    assert patroni.leader() in heirs
    assert any("verrou rendu" in line for line in scene.said())
    containers.revive(scene.field)
    _await_health(scene.arena)
    assert patroni.leader() in heirs


# --- It does not ---------------------------------------------------------------------------------


def _frozen(field: Field) -> None:
    containers.pause(field, *containers.pod(field.primary))


def _patroni_stopped(field: Field) -> None:
    field.touched.add(field.primary)
    field.frozen.add(field.primary)
    processes.freeze_patroni(field.container(field.primary))


def _isolated(field: Field) -> None:
    cuts.apply(field, field.primary, cuts.isolation(field.topology))


def _without_etcd(field: Field) -> None:
    cuts.apply(field, field.primary, cuts.from_etcd(field.topology))


def _replica_killed(field: Field) -> None:
    other = next(n for n in PG if n not in (field.primary, field.standby))
    containers.kill(field, other)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "trouble",
    [
        _frozen,
        pytest.param(_patroni_stopped, marks=SLOW),
        pytest.param(_isolated, marks=SLOW),
        pytest.param(_without_etcd, marks=SLOW),
        pytest.param(_replica_killed, marks=SLOW),
    ],
)
def test_living_primary_keeps_its_lock(scene: Scene, trouble: Callable[[Field], None]) -> None:
    """Silent, frozen or cut off is not dead; and the end of another is not its end."""
    trouble(scene.field)
    run.let_pass(SILENCE_SECONDS, "Fencer à l'épreuve")

    assert heartbeat.last(scene.arena.home) is not None, "un fencer mort ne prouve rien"
    assert (scene.lock().holder, scene.lock().revision) == (
        scene.before.holder,
        scene.before.revision,
    )
    assert not any("rendu" in line or "tué" in line for line in scene.said())


def test_engine_that_does_not_answer_proves_nothing(
    arena: Arena, field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when the primary is dead: the lease takes its course."""
    said: list[str] = []
    watcher = Watcher(fence.hands(arena.topology, pki.fingerprint(arena.home), said.append))
    _pod_killed(field)
    with monkeypatch.context() as patched:
        patched.setenv("DOCKER_HOST", "unix:///nulle/part.sock")
        watcher.turn("")
    with lock.asked([field.container(field.standby)]) as question:
        assert (len(said), said[0].startswith("échec, nouvel essai")) == (1, True)
        assert question.lock.holder == field.primary


# --- The lock itself -----------------------------------------------------------------------------


def test_lock_written_again_is_left(arena: Arena, field: Field) -> None:
    """Its holder and its lease are the same, its revision is not: the comparison sees it."""
    etcd = Etcd(arena.topology, arena.home)
    etcd.login("root", arena.topology.settings.etcd_root_password.reveal())
    key = key_of(f"{prefix(arena.topology)}leader")
    with lock.asked([field.container(field.standby)]) as question:
        held = etcd.call("/kv/range", key)["kvs"][0]
        etcd.call("/kv/put", {**key, "value": held["value"], "lease": held["lease"]})

        assert question.release() is False
    assert etcd.call("/kv/range", key)["kvs"][0]["value"] == held["value"]


@pytest.mark.parametrize("holder", PG)
def test_lock_of_another_is_left(field: Field, holder: str) -> None:
    """Named wrongly, at the right revision; and nothing asked is nothing done."""
    through = [field.container(field.standby)]
    with lock.asked(through) as question:
        found = question.lock
        if holder != found.holder:
            wrong = Conversation(question.process, replace(found, holder=holder))
            assert wrong.release() is False
    with lock.asked(through) as question:
        assert question.lock == found


def test_living_containers_are_seen_by_the_kernel(arena: Arena) -> None:
    """Else « no process left » would be said of any."""
    seen = pods.look(arena.topology, pki.fingerprint(arena.home))

    assert [node for node, pod in seen.items() if pods.processes(pod)] == list(seen)
    assert sorted(seen) == list(PG)


def test_engine_shows_a_dead_container_as_dead(arena: Arena, field: Field) -> None:
    """And the kernel agrees."""
    container = field.container(next(n for n in PG if n not in (field.primary, field.standby)))
    node = container.removeprefix(f"{arena.topology.settings.cluster_name}-")
    containers.kill(field, node)
    pod = pods.look(arena.topology, pki.fingerprint(arena.home))[node]

    assert (pod.dead, pods.processes(pod)) == (True, [])
    assert engine.inspect("container", container)[0]["State"]["ExitCode"] == 128 + 9
