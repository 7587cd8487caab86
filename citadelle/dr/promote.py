"""The remote site takes over: looked at, confirmed, then step by step, each done once.

Interrupted at any step, the same command goes on: every step asks the cluster first whether it is
done. Before the two that cannot be undone, the lost site is looked at again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx
import psycopg

from citadelle import connect, engine
from citadelle.dr import bound, fence, journal, plan, quorum, sight
from citadelle.dr.journal import Journal
from citadelle.dr.plan import Plan
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console, wait_until
from citadelle.topology import PG, Topology
from citadelle.workspace import Home

# The old primary's lease counts anew from the recreated quorum; then a probe and a promotion.
PAST_LEASE_SECONDS = 60
# Patroni answers after 20 s at most (poll_failover_result in its api.py).
ORDER_SECONDS = 25.0
# Both checks of the load balancer, and a pooler that waits before it asks a server again.
ENTRANCES_SECONDS = 60

# Returns what the operator typed (or gave by an option), given the sentence.
Ask = Callable[[str], str]


@dataclass(frozen=True)
class Outcome:
    """What was done; ``changed`` is False when everything was done already."""

    journal: Journal
    changed: bool


def prepare(topology: Topology, home: Home, node: str) -> Plan:
    """Return what would happen, having changed nothing; CitadelleError for an unfit node."""
    plan.check_node(topology, node)
    engine.require()
    return plan.plan(topology, node, sight.look(topology, home, node))


def run(  # what was asked, by whom it is confirmed
    topology: Topology,
    home: Home,
    steps: Steps,
    node: str,
    ask: Ask,
    *,
    although_alive: bool = False,
) -> Outcome:
    """Promote the node of the remote site.

    Raises:
        CitadelleError: with nothing changed when it is refused or not confirmed; otherwise
            naming the step that failed: run again, it goes on from there.
    """
    known = journal.load(home)
    if known is not None and known.node != node:
        raise CitadelleError(
            f"La promotion de {known.node} est en cours depuis {known.started} : pas {node}."
        )
    if known is not None and known.finished and Patroni(topology, home).leader() == node:
        return Outcome(known, changed=False)
    if known is None:
        known = _confirmed(topology, home, steps, node, ask, although_alive)
    else:
        plan.check_node(topology, node)
        if not although_alive:
            _still_lost(topology, home, known)
        if not known.recreated and (although_alive or _outlived(topology, known)):
            again = _confirmed(topology, home, steps, node, ask, although_alive)
            known = replace(known, foreseen=again.foreseen, since=again.since, until=again.until)
        console.print(f"Reprise de la promotion commencée à {known.started}.")
    _takeover(topology, home, steps, known)
    return Outcome(known, changed=True)


def _outlived(topology: Topology, known: Journal) -> bool:
    """Tell whether the lost site may have written since its loss was foreseen and confirmed."""
    end = sight.stopped(topology, sight.lost(topology, PG))
    return end is None or known.until is None or end.timestamp() > known.until


def _confirmed(  # as run()
    topology: Topology, home: Home, steps: Steps, node: str, ask: Ask, although_alive: bool
) -> Journal:
    """Show the plan, refuse or have it confirmed; return a journal, not yet written."""
    plan.check_node(topology, node)
    with steps.step("Regarder les deux centres, sans rien changer"):
        found = prepare(topology, home, node)
    plan.show(found)
    reasons = found.wrong + ([] if although_alive else found.living)
    if reasons:
        advice = f"\n({plan.OVERRIDE} passe outre ce qui vit encore.)" if not found.wrong else ""
        listed = "\n  ".join(reasons)
        raise CitadelleError(f"Promotion refusée, rien n'a été changé :\n  {listed}{advice}")
    if ask(found.sentence).strip() != found.sentence:
        raise CitadelleError(
            f"Phrase de confirmation absente ou différente (« {found.sentence} ») : rien n'a été "
            "changé."
        )
    expected = found.sight.bound
    return Journal(
        node=node,
        lost=found.lost,
        started=_now(),
        timeline=found.sight.remote.timeline,
        foreseen=str(expected),
        since=expected.since.timestamp() if expected.since else None,
        until=expected.until.timestamp(),
        policies=fence.policies(topology),
    )


def _takeover(topology: Topology, home: Home, steps: Steps, known: Journal) -> None:
    member = sight.witnesses(topology)[0]
    known.save(home)
    with _noted(home, steps, known, f"{known.lost} arrêté, sans redémarrage"):
        known.out_of_reach = fence.shut(topology, known.policies)
        _extend(topology, known)
    _by_hand(known)
    with _noted(home, steps, known, f"Quorum d'etcd refait de {member} seul"):
        _quorum(topology, home, known, member)
    with _noted(home, steps, known, f"{known.node} promu"):
        _still_lost(topology, home, known)
        _promote(topology, home, known)
    with _noted(home, steps, known, "Écriture par les entrées du site distant"):
        _wait_entrances(topology, home)
    known.finished = known.finished or _now()
    known.save(home)


@contextmanager
def _noted(home: Home, steps: Steps, known: Journal, title: str) -> Iterator[None]:
    """Show a step, and keep in the journal how long it took the first time."""
    start = time.monotonic()
    with steps.step(title):
        yield
    known.steps.setdefault(title, round(time.monotonic() - start, 1))
    known.save(home)


def _extend(topology: Topology, known: Journal) -> None:
    """Foresee what a site that lived until now wrote since it was looked at."""
    end = sight.stopped(topology, sight.lost(topology, PG))
    if end is not None and known.until is not None and end.timestamp() <= known.until:
        return
    said = f"arrêté à {bound.clock(end)}" if end else "aucun arrêt constaté, perte sans borne"
    known.until = (end or datetime.now(UTC)).timestamp()
    if said not in known.foreseen:
        known.foreseen += f" ; {known.lost} : {said}"
        console.print(f"  Perte possible : {known.foreseen}.")


def _by_hand(known: Journal) -> None:
    for machine in known.out_of_reach:
        console.print(
            f"[red]✘[/] {machine} hors de portée : éteignez-la, ou coupez-la du réseau, et ne la "
            "rallumez pas avant « invoke dr.failback »."
        )


def _quorum(topology: Topology, home: Home, known: Journal, member: str) -> None:
    if not quorum.alone(topology, home, member):
        _still_lost(topology, home, known)
        # Before it is so: a return that believed in the old quorum would cost the new one.
        known.recreated = True
        known.save(home)
        found = quorum.recreate(topology, home, member)
        if wrong := quorum.problems(found, member):
            raise CitadelleError("Quorum refait, mais : " + " ; ".join(wrong))
    known.recreated = True


def _still_lost(topology: Topology, home: Home, known: Journal) -> None:
    """Raise CitadelleError when the lost site has come back meanwhile."""
    back = [machine for machine in sight.machines(topology, home) if machine.living]
    if back:
        said = ", ".join(f"{m.name} ({m.answer})" for m in back)
        raise CitadelleError(
            f"{known.lost} est revenu : {said}. Rien de plus n'a été fait.\n"
            f"« invoke dr.failback » le réintègre ; « invoke dr.promote {plan.OVERRIDE} » l'arrête "
            "et continue."
        )


def _promote(topology: Topology, home: Home, known: Journal) -> None:
    """Order a manual failover, the only one that takes a node that is not synchronous."""
    patroni = Patroni(topology, home)
    pool = ThreadPoolExecutor(1)
    orders: list[Future[httpx.Response]] = []
    try:
        wait_until(
            lambda: _unpromoted(patroni, known, pool, orders),
            f"{known.node} primaire",
            topology.settings.patroni_ttl + PAST_LEASE_SECONDS,
            f"Voir « invoke logs --node {known.node} » ; la même commande reprend.",
        )
    finally:
        pool.shutdown(wait=False)


def _unpromoted(
    patroni: Patroni, known: Journal, pool: ThreadPoolExecutor, orders: list[Future[httpx.Response]]
) -> str | None:
    """Return what is missing; order the failover whenever no order is under way."""
    try:
        row = patroni.request(known.node, "GET", "/patroni").json()
    except (httpx.HTTPError, ValueError):
        return f"{known.node} muet"
    role, timeline = row.get("role"), int(row.get("timeline") or 0)
    if role == "primary" and row.get("state") == "running" and timeline > known.timeline:
        return None
    if not orders or orders[-1].done():
        orders.append(pool.submit(_order, patroni, known.node))
    return f"{known.node} {role} {row.get('state', '')}, {_said(orders)}"


def _order(patroni: Patroni, node: str) -> httpx.Response:
    body = {"candidate": node}
    options = {"body": body, "auth": patroni.auth, "seconds": ORDER_SECONDS}
    return patroni.request(node, "POST", "/failover", **options)


def _said(orders: list[Future[httpx.Response]]) -> str:
    """Return Patroni's last answer to an order."""
    ended = [order for order in orders if order.done()]
    if not ended:
        return "ordre donné"
    if (error := ended[-1].exception()) is not None:
        return f"ordre sans réponse ({error})"
    answer = ended[-1].result()
    return f"Patroni répond {answer.status_code} {answer.text.strip()}"


def _wait_entrances(topology: Topology, home: Home) -> None:
    """Write through the load balancer and the pooler that are left: clients list both sites."""
    strict = topology.settings.pooling == "strict"

    def missing() -> str | None:
        try:
            for service in ("pooled",) if strict else ("rw", "pooled"):
                connect.write(topology, home, service)
        except psycopg.Error as error:
            return str(error).strip().splitlines()[0]
        return None

    wait_until(missing, "Écriture", ENTRANCES_SECONDS, "Voir « invoke status ».")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def show(outcome: Outcome) -> None:
    """Print how long each step took and what was foreseen."""
    known = outcome.journal
    if not outcome.changed:
        console.print(f"{known.node} est promu depuis {known.finished} : rien à faire.")
        return
    total = sum(known.steps.values())
    console.print(f"{known.node} est le primaire, sans {known.lost}, en {total:.1f} s.")
    console.print(f"Perte annoncée : {known.foreseen}.")
    console.print(
        f"{known.lost} ne doit pas être rallumé tant que le lien est coupé ; à son retour : "
        "« invoke dr.failback »."
    )
