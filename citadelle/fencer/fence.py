"""One end of a PostgreSQL container, judged: a primary that can write no more, or nothing.

The order is the safety: the lock is read first, the death established next, and the lock deleted
only if it is still the one that was read. Whoever comes back in between writes the lock again
before PostgreSQL takes a write, and the deletion finds another revision (docs/fencer.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from citadelle.errors import CitadelleError
from citadelle.fencer import lock, pods
from citadelle.fencer.lock import Lock, Question
from citadelle.fencer.pods import Pod
from citadelle.progress import wait_until
from citadelle.signals import uninterrupted
from citadelle.topology import Topology

# SIGKILL, then the engine's own bookkeeping, on two busy cores.
DEATH_SECONDS = 10.0
DEATH_POLL_SECONDS = 0.05
# An engine that restarts, or is too busy to start a container at once.
START_SECONDS = 60.0
# A container that the engine revived longer ago than this is left alone: its Patroni may have
# taken its place again already, and is then a primary like any other.
REVIVED_SECONDS = 3.0


class Verdict(StrEnum):
    """What became of one end; after NOT_NOW, and no other, the same end is looked at again."""

    FENCED = "verrou rendu"
    LEFT = "laissé au bail"
    NOTHING = "rien à faire"
    NOT_NOW = "pas maintenant"


@dataclass(frozen=True)
class Hands:
    """What the fencer sees and does; tests bring their own."""

    look: Callable[[], Mapping[str, Pod]]
    asked: Callable[[list[str]], AbstractContextManager[Question]]
    kill: Callable[[Pod], None]
    processes: Callable[[Pod], list[int]]
    start: Callable[[Pod], None]
    say: Callable[[str], None]


def hands(topology: Topology, ca: str, say: Callable[[str], None]) -> Hands:
    """Return those of a real cluster."""
    return Hands(
        look=lambda: pods.look(topology, ca),
        asked=lock.asked,
        kill=pods.kill,
        processes=pods.processes,
        start=pods.start,
        say=say,
    )


def judge(ended: Pod, seen: Mapping[str, Pod], tools: Hands) -> Verdict:
    """Fence the node of a container that ended, if it holds the lock; say what was done.

    ``seen`` are the containers as they were when the end was noticed.

    Raises:
        CitadelleError: when the engine or etcd does not answer; the lock is as it was, unless
            the answer to its deletion was lost.
    """
    with tools.asked(_survivors(ended, seen)) as question:
        return _answered(ended, seen, question, tools)


def _answered(ended: Pod, seen: Mapping[str, Pod], question: Question, tools: Hands) -> Verdict:
    """Judge, now that the lock was read."""
    node, found = ended.node, question.lock
    if found.holder != node:
        tools.say(f"{node} : fini ; verrou à {found.holder or 'personne'}, rien à faire")
        return Verdict.NOTHING
    if obstacle := _obstacle(found, seen) or _blindness(seen, tools):
        tools.say(f"{node} : fini, verrou à lui ; {obstacle}, le bail suivra son cours")
        return Verdict.NOT_NOW
    return _fence(ended, question, tools)


def _obstacle(found: Lock, seen: Mapping[str, Pod]) -> str:
    """Return why ending the lock would help nobody; empty when somebody can take it."""
    if found.paused:
        return "Patroni est en pause (maintenance)"
    if found.synchronous != found.holder:
        return f"/sync ne parle pas de {found.holder}"
    if not any(name in seen and seen[name].serving for name in found.standbys):
        return "aucun réplica synchrone en marche"
    return ""


def _blindness(seen: Mapping[str, Pod], tools: Hands) -> str:
    """Return why the kernel's word would be worth nothing here; empty when it shows who lives."""
    alive = [pod for pod in seen.values() if pod.serving]
    if any(tools.processes(pod) for pod in alive):
        return ""
    return "les processus des conteneurs ne se voient pas d'ici"


def _fence(ended: Pod, question: Question, tools: Hands) -> Verdict:
    """Make sure of the death, end the lock, give the engine back what it would have started."""
    node, revive = ended.node, not ended.dead
    if not revive:
        return _release(ended, question, tools)
    now = tools.look().get(node)
    if now is None or now.identity != ended.identity or _is_back(now):
        tools.say(f"{node} : fini, mais déjà revenu, ou remplacé ; rien à faire")
        return Verdict.NOTHING
    tools.say(f"{node} : fini, verrou à lui, le moteur le relance : tué d'abord")
    try:
        tools.kill(ended)
        verdict = _release(ended, question, tools)
    finally:
        with uninterrupted():
            _give_back(ended, tools)
    # It runs again: this end is over, whatever became of the lock.
    return Verdict.LEFT if verdict is Verdict.NOT_NOW else verdict


def _give_back(ended: Pod, tools: Hands) -> None:
    """Start what the engine would have started: after our kill it never will by itself."""

    def missing() -> str | None:
        try:
            tools.start(ended)
        except CitadelleError as error:
            return str(error)
        return None

    wait_until(missing, f"Relance de {ended.node}", START_SECONDS, "« invoke up » le démarre.")
    tools.say(f"{ended.node} : relancé, comme le moteur l'aurait fait")


def _release(ended: Pod, question: Question, tools: Hands) -> Verdict:
    """End the lock once the death is established."""
    node = ended.node
    if doubt := _doubt(ended, tools):
        tools.say(f"{node} : mort non établie ({doubt}), le bail suivra son cours")
        return Verdict.NOT_NOW
    tools.say(
        f"{node} : mort établie (moteur et noyau), verrou n° {question.lock.revision} à rendre"
    )
    if not question.release():
        tools.say(f"{node} : le verrou a changé entre-temps, laissé")
        return Verdict.NOT_NOW
    heirs = ", ".join(question.lock.standbys)
    tools.say(f"{node} : verrou rendu, élection ouverte (réplica synchrone : {heirs})")
    return Verdict.FENCED


def _doubt(ended: Pod, tools: Hands) -> str:
    """Return what keeps the death from being established; empty when nothing does."""

    def missing() -> str | None:
        now = tools.look().get(ended.node)
        if now is None or now.identity != ended.identity:
            return "autre conteneur"
        return None if now.dead else "en marche"

    try:
        wait_until(missing, "Fin du conteneur", DEATH_SECONDS, poll=DEATH_POLL_SECONDS)
    except CitadelleError as error:
        return str(error)
    if left := tools.processes(ended):
        return f"processus vivants : {', '.join(map(str, left))}"
    return ""


def _survivors(ended: Pod, seen: Mapping[str, Pod]) -> list[str]:
    return [pod.container for pod in seen.values() if pod.node != ended.node and pod.serving]


def _is_back(pod: Pod) -> bool:
    """Tell whether it has been running again for long enough to be a primary like any other."""
    age = (datetime.now(UTC) - pod.started).total_seconds()
    return pod.running and not pod.restarting and age > REVIVED_SECONDS
