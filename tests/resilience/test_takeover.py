"""Loss of the preferred datacentre: the remote takes over when told to, and hands back.

Whatever is interrupted and whoever comes back meanwhile: never two primaries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from citadelle import engine, lifecycle, renewal, status
from citadelle.chaos.containers import kill
from citadelle.chaos.fault import Field
from citadelle.chaos.judge import Judge
from citadelle.chaos.outcome import within
from citadelle.chaos.run import let_pass
from citadelle.chaos.watch import watching
from citadelle.dr import drills, failback, fence, journal, promote, quorum, sight
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps, wait_until
from citadelle.stress.plan import Plan
from citadelle.stress.run import running
from citadelle.topology import ETCD, PG
from citadelle.wan import lab
from tests.arena import Arena

# An election of etcd, a lease, a promotion: had a second primary to come, it would be there.
SETTLED_SECONDS = 90
AROUND_SECONDS = 5.0
REMOTE, WITNESS = "pg3", "etcd3"

pytestmark = pytest.mark.disruptive


class KilledError(Exception):
    """Stands in for a kill of the command at this point."""


class Interrupted(Steps):
    """Steps that end with the command's death once one of them is done."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Let the step be done and shown, not what follows it."""
        with super().step(title):
            yield
        if self.word in title:
            raise KilledError(title)


def agree(sentence: str) -> str:
    """Type what is asked for."""
    return sentence


def never(sentence: str) -> str:
    """Fail: nothing should have been asked."""
    raise AssertionError(sentence)


def take_over(arena: Arena, steps: Steps | None = None) -> promote.Outcome:
    """Promote the remote as an operator does."""
    return promote.run(arena.topology, arena.home, steps or Steps(), REMOTE, agree)


def lose(arena: Arena) -> None:
    """Kill every machine of the preferred site."""
    kill(Field(arena.topology, arena.home), *drills.site(arena.topology, remote=False))


def come_back(arena: Arena, *nodes: str) -> None:
    """Start machines of the preferred site as whoever knows nothing of a takeover does.

    Patroni ends when etcd does not answer yet: PostgreSQL's containers start again by themselves
    as in a site whose own engine the takeover could not reach.
    """
    fence.allow(arena.topology, {}, *(node for node in nodes if node in PG))
    names = [name for node in nodes for name in renewal.services(node)]
    engine.docker("start", *(f"{arena.topology.settings.cluster_name}-{name}" for name in names))


@pytest.fixture
def watched(arena: Arena) -> Iterator[Judge]:
    """Watch every PostgreSQL during a test; at the end the cluster is whole again."""
    with watching(arena.topology, arena.home) as judge:
        yield judge
        if journal.load(arena.home) is not None:
            failback.run(arena.topology, arena.home, Steps(), agree)
    lifecycle.wait_settled(arena.topology, arena.home)


class TestHealthy:
    """What a cluster that lacks nothing answers."""

    def test_refused_while_alive(self, arena: Arena) -> None:
        """A primary answers and etcd has its majority; nothing is asked, nothing changes."""
        before = Patroni(arena.topology, arena.home).leader()

        with pytest.raises(CitadelleError, match=r"(?s)refusée.*pg\d répond.*majorité"):
            promote.run(arena.topology, arena.home, Steps(), REMOTE, never)

        assert Patroni(arena.topology, arena.home).leader() == before
        assert journal.load(arena.home) is None
        assert status.observe(arena.topology, arena.home).problems() == []

    @pytest.mark.parametrize("node", ["pg1", "etcd3", "pg9"])
    def test_wrong_node(self, arena: Arena, node: str) -> None:
        """Of the lost site, no PostgreSQL, unknown."""
        with pytest.raises(CitadelleError, match=node):
            promote.run(arena.topology, arena.home, Steps(), node, never)

    def test_nothing_to_hand_back(self, arena: Arena) -> None:
        """A failback without a takeover would wipe a living quorum."""
        with pytest.raises(CitadelleError, match="rien à réintégrer"):
            failback.run(arena.topology, arena.home, Steps(), never)

    def test_rehearsal_changes_nothing(self, arena: Arena) -> None:
        """It knows the primary and the users from a copy; the member stays in its quorum."""
        past = quorum.rehearse(arena.topology, arena.home, WITNESS)

        assert quorum.problems(past, WITNESS) == []
        assert past.leader in PG
        assert not quorum.alone(arena.topology, arena.home, WITNESS)


@pytest.mark.slow
def test_wrong_sentence(arena: Arena, watched: Judge) -> None:
    """`--confirm` with anything else than the whole sentence is not enough."""
    lose(arena)
    with pytest.raises(CitadelleError, match="Phrase de confirmation"):
        promote.run(arena.topology, arena.home, Steps(), REMOTE, lambda _sentence: "oui")
    assert journal.load(arena.home) is None

    come_back(arena, *sight.lost(arena.topology))
    lifecycle.wait_settled(arena.topology, arena.home)
    assert watched.violations == []


@pytest.mark.slow
def test_interrupted_after_each_step(arena: Arena, watched: Judge) -> None:
    """The same command goes on; once all is done it changes nothing."""
    lose(arena)
    for word in ("arrêté", "Quorum", "promu", "Écriture"):
        with pytest.raises(KilledError):
            take_over(arena, Interrupted(word))

    assert take_over(arena).changed
    assert not take_over(arena).changed
    assert Patroni(arena.topology, arena.home).leader() == REMOTE
    assert watched.violations == []


@pytest.mark.slow
def test_loss_is_within_what_was_foreseen(arena: Arena, watched: Judge) -> None:
    """The link is cut, the preferred site writes on, and is given up: that is lost, and told."""
    with running(arena.topology, arena.home, Plan(threads=4)) as load:
        let_pass(AROUND_SECONDS, "Charge")
        lab.cut(arena.topology, arena.home)
        let_pass(AROUND_SECONDS, "Écritures que le site distant ne reçoit pas")
        known = promote.run(
            arena.topology, arena.home, Steps(), REMOTE, agree, although_alive=True
        ).journal
        lab.off(arena.topology, arena.home)
        failback.run(arena.topology, arena.home, Steps(), agree)
    seen = load.result.verdict
    lost_at = (seen.lost_first_at or 0.0, seen.lost_last_at or 0.0)
    print(f"{seen.lost} écritures perdues, de {lost_at}, sur {load.result.writes} ; {known}")

    assert (seen.problem, seen.phantom) == ("", 0)
    assert seen.lost > 0, "rien n'a été perdu : le test ne prouve rien"
    assert known.since is not None
    assert known.until is not None
    assert within(lost_at, (known.since, known.until)), (lost_at, known)
    assert watched.violations == []


@pytest.mark.slow
def test_lost_site_returns_before_the_quorum(arena: Arena, watched: Judge) -> None:
    """It is the primary's site again: the takeover stops there, and is given up."""
    lose(arena)
    with pytest.raises(KilledError):
        take_over(arena, Interrupted("arrêté"))
    come_back(arena, *sight.lost(arena.topology))

    def missing() -> str | None:
        if Patroni(arena.topology, arena.home).leader():
            return None
        states = status.containers(arena.topology, arena.home)
        return str({name: state for name, state in states.items() if state != "healthy"})

    wait_until(missing, "Primaire", SETTLED_SECONDS)
    with pytest.raises(CitadelleError, match="est revenu"):
        take_over(arena)
    failback.run(arena.topology, arena.home, Steps(), agree)

    assert Patroni(arena.topology, arena.home).leader() != REMOTE
    assert watched.violations == []


@pytest.mark.slow
def test_lost_site_returns_after_the_promotion(arena: Arena, watched: Judge) -> None:
    """Everything of it is started at once: its etcd is turned away, its nodes follow."""
    lose(arena)
    take_over(arena)
    come_back(arena, *sight.lost(arena.topology))

    def missing() -> str | None:
        states = status.containers(arena.topology, arena.home)
        turned_away = all(states[node] == "exited" for node in sight.lost(arena.topology, ETCD))
        members = Patroni(arena.topology, arena.home).members()
        streaming = sum(member.state == "streaming" for member in members)
        return None if turned_away and streaming == len(PG) - 1 else f"{states}, {members}"

    wait_until(missing, "Ancien centre à sa place", 2 * SETTLED_SECONDS)
    assert Patroni(arena.topology, arena.home).leader() == REMOTE
    assert watched.violations == []
