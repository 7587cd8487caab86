"""The lost site comes back: behind the remote, then in front again, with nobody noticing.

Its etcd members were forgotten by the quorum and come back one by one, wiped, without a vote
until they have caught up. Its PostgreSQL nodes come back as replicas: Patroni rewinds them; what
they alone had written goes. Then a planned switchover, like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from citadelle import lifecycle, switchover
from citadelle.chaos import rejoin
from citadelle.chaos.fault import Field
from citadelle.dr import fence, journal, quorum, sight
from citadelle.dr.journal import Journal
from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console, wait_until
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home

# A crash recovery, a rewind over the network, streaming: less than a minute for some Gio.
STREAM_SECONDS = 180
# The same with a whole copy.
REBUILD_SECONDS = 600
SYNCHRONOUS_SECONDS = 60
# A switchover that has no time to end leaves everything as it was.
ATTEMPTS = 3
# Patroni reads etcd, then answers: seconds on a busy machine.
ORDER_SECONDS = 25.0

Ask = Callable[[str], str]


@dataclass(frozen=True)
class Outcome:
    """What was done; seconds by step. ``switchover`` is None when there was nothing to hand."""

    durations: tuple[tuple[str, float], ...]
    seconds: float
    rebuilt: tuple[str, ...]
    switchover: switchover.Outcome | None


def sentence(known: Journal) -> str:
    """Return what must be typed: what only the lost site has goes for good."""
    return f"réintégrer {known.lost}, ses écritures non répliquées sont abandonnées"


def under_way(home: Home) -> Journal:
    """Return the takeover to end; CitadelleError when there is none."""
    if (known := journal.load(home)) is None:
        raise CitadelleError("Aucune promotion de secours en cours : rien à réintégrer.")
    return known


def run(  # what was asked, by whom it is confirmed
    topology: Topology,
    home: Home,
    steps: Steps,
    ask: Ask,
    *,
    rebuild: bool = False,
    before: Callable[[], None] = lambda: None,
) -> Outcome:
    """Bring the lost site back and hand the leadership over to it.

    ``rebuild`` copies a node anew, its data deleted, where Patroni cannot rewind it. ``before`` is
    called before the switchover.

    Raises:
        CitadelleError: with nothing changed when it is not confirmed or the remote does not
            serve; otherwise naming the step that failed: run again, it goes on from there.
    """
    start, known = time.monotonic(), under_way(home)
    recreated = known.recreated or quorum.alone(topology, home, sight.witnesses(topology)[0])
    if recreated:
        _require_primary(topology, home, known)
    if ask(sentence(known)).strip() != sentence(known):
        raise CitadelleError(f"Phrase « {sentence(known)} » non confirmée : rien n'a été changé.")
    rebuilt: tuple[str, ...] = ()
    if recreated:
        _rejoin(topology, home, steps, known)
    else:
        # Given up before anything that cannot be undone: the old quorum is whole.
        with steps.step(f"etcd de {known.lost} : redémarrage"):
            fence.lift(topology, known.policies, *sight.lost(topology, ETCD))
    with steps.step(f"Machines de {known.lost} : démarrage"):
        fence.lift(topology, known.policies, *sight.lost(topology, (*PG, *HAPROXY, *PGBOUNCER)))
    if recreated:
        rebuilt = _replicate(topology, home, steps, known, rebuild=rebuild)
    with steps.step("Réplicas, réplica synchrone, entrées"):
        lifecycle.wait_settled(topology, home)
    before()
    done = _hand_over(topology, home, steps)
    journal.forget(home)
    return Outcome(tuple(steps.durations), time.monotonic() - start, rebuilt, done)


def _require_primary(topology: Topology, home: Home, known: Journal) -> None:
    """Raise CitadelleError unless somebody serves on the recreated quorum."""
    if Patroni(topology, home).leader() is None:
        raise CitadelleError(
            f"Aucun primaire : « invoke dr.promote --node {known.node} » d'abord, qui reprend."
        )


def _rejoin(topology: Topology, home: Home, steps: Steps, known: Journal) -> None:
    """Bring the lost members back, one by one; one that votes already is left alone."""
    client = rejoin.root(topology, home, sight.witnesses(topology))
    for node in sight.lost(topology, ETCD):
        with steps.step(f"{node} : effacé, de retour dans le quorum"):
            fence.allow(topology, known.policies, node)
            if not _votes(topology, client, node):
                rejoin.replace(Field(topology, home), node, client)
            fence.lift(topology, known.policies, node)
            _await_member(client, node)


def _votes(topology: Topology, client: Etcd, node: str) -> bool:
    """Tell whether the member is one of the quorum's, with a vote: silent, it is waited for."""
    own = rejoin.peer_url(topology, node)
    listed = [m for m in rejoin.members(client) if m["peerURLs"] == [own]]
    return bool(listed) and not listed[0].get("isLearner")


def _await_member(client: Etcd, node: str) -> None:
    """Wait until a member serves: the next one may only be wiped once this one counts."""
    wait_until(
        lambda: None if client.member(node).healthy else "muet",
        node,
        rejoin.MEMBER_SECONDS,
        f"Voir « invoke logs --node {node} ».",
    )


def _replicate(
    topology: Topology, home: Home, steps: Steps, known: Journal, *, rebuild: bool
) -> tuple[str, ...]:
    """Wait until the lost site's nodes stream; return those that had to be copied anew."""
    nodes = sight.lost(topology, PG)
    with steps.step(f"{', '.join(nodes)} : rembobinage, réplication"):
        late = _late(topology, home, nodes, STREAM_SECONDS)
        if late and not rebuild:
            raise CitadelleError(
                f"{', '.join(late)} ne réplique pas après {STREAM_SECONDS} s : Patroni n'a pas pu "
                f"le rembobiner (« invoke logs --node {late[0]} »).\n« invoke dr.failback "
                "--rebuild » efface ses données et les recopie du primaire."
            )
    for node in late:
        if not _late(topology, home, (node,), 0):
            continue
        with steps.step(f"{node} : recopie complète depuis {known.node}"):
            _reinitialize(topology, home, node)
            if _late(topology, home, (node,), REBUILD_SECONDS):
                raise CitadelleError(f"{node} : recopie inachevée après {REBUILD_SECONDS} s.")
    return tuple(late)


def _late(topology: Topology, home: Home, nodes: tuple[str, ...], seconds: float) -> list[str]:
    """Return those that do not stream in time, none of them if all do."""
    patroni = Patroni(topology, home)

    def missing() -> list[str]:
        streaming = {m.name for m in patroni.members() if m.state == "streaming"}
        leader = patroni.leader()
        return [node for node in nodes if node not in streaming and node != leader]

    try:
        wait_until(lambda: ", ".join(missing()) or None, "Réplication", seconds)
    except CitadelleError:
        if patroni.leader() is None:
            raise CitadelleError("Aucun primaire ne répond : voir « invoke status ».") from None
        return missing()
    return []


def _reinitialize(topology: Topology, home: Home, node: str) -> None:
    patroni = Patroni(topology, home)
    options = {"body": {"force": True}, "auth": patroni.auth, "seconds": ORDER_SECONDS}
    try:
        answer = patroni.request(node, "POST", "/reinitialize", **options)
    except httpx.HTTPError as error:
        raise CitadelleError(f"{node} ne répond pas ({error}) : « invoke logs ».") from None
    if answer.is_error:
        raise CitadelleError(f"{node} refuse la recopie : {answer.status_code} {answer.text}")


def _hand_over(topology: Topology, home: Home, steps: Steps) -> switchover.Outcome | None:
    """Give the leadership back to the preferred site, unless it is there already.

    A switchover gives up after seconds, so that clients do not wait longer: it is tried again,
    unless Patroni has ended it meanwhile.
    """
    for left in reversed(range(ATTEMPTS)):
        wait_until(lambda: _led(topology, home), "Primaire", SYNCHRONOUS_SECONDS)
        leader = Patroni(topology, home).leader()
        if leader is not None and not topology.is_remote(leader):
            return None
        _await_standby(topology, home)
        try:
            return switchover.run(topology, home, steps)
        except CitadelleError as error:
            if not left:
                raise
            console.print(f"  Bascule à refaire : {error}")
    return None


def _led(topology: Topology, home: Home) -> str | None:
    return None if Patroni(topology, home).leader() else "aucun en service"


def _await_standby(topology: Topology, home: Home) -> None:
    """Wait until a node of the preferred site is synchronous."""
    patroni = Patroni(topology, home)

    def missing() -> str | None:
        ready = [m.name for m in patroni.members() if m.role == "sync_standby"]
        if any(not topology.is_remote(node) for node in ready):
            return None
        return f"synchrones : {', '.join(ready) or 'aucun'}"

    wait_until(missing, "Réplica synchrone du centre préféré", SYNCHRONOUS_SECONDS)


def show(outcome: Outcome) -> None:
    """Print how long it took, and how long pooled clients waited for the switchover."""
    if outcome.rebuilt:
        console.print(f"Recopiés entièrement : {', '.join(outcome.rebuilt)}.")
    if outcome.switchover is not None:
        switchover.show(outcome.switchover)
    console.print(f"Retour complet en {outcome.seconds:.0f} s.")
