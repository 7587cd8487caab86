"""A planned switchover that no pooled client notices: they wait a moment, nothing fails.

Checks, checkpoints (so that stopping and promoting are quick), PAUSE, Patroni's switchover,
both load balancers on the new primary, RESUME. Only a synchronous standby is promoted: it has
every acknowledged write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from citadelle import accounts, pause, placement, poolers, progress, routing
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.pause import Pause
from citadelle.poolers import Database
from citadelle.progress import Steps, console, wait_until
from citadelle.routing import Routing
from citadelle.topology import Topology
from citadelle.workspace import Home

# What a synchronous standby may still have to replay: less than a second of work.
LAG_BYTES = 16 * 1024 * 1024
# Patroni answers once it is over, after 20 s at most (poll_failover_result in its api.py).
ORDER_SECONDS = 25.0
# What Patroni, then both load balancers, take while clients wait (docs/delais.md): with less
# time left the order would only be half of a switchover.
NEEDED_SECONDS = 3.0


# Rows of Patroni's GET /cluster, by node.
Members = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What will happen: who hands over to whom, seen from which timeline."""

    leader: str
    target: str
    timeline: int


@dataclass(frozen=True)
class Outcome:
    """What happened; seconds. ``problem`` is what clients may have noticed, if anything."""

    plan: Plan
    timeline: int
    pauses: dict[Database, float]
    seconds: float
    problem: str | None


def run(topology: Topology, home: Home, steps: Steps, target: str = "") -> Outcome:
    """Hand over to the target, or to the synchronous standby.

    Raises:
        CitadelleError: with nothing changed when it is not safe or a transaction lasts too
            long; with every client resumed when Patroni did not do it in time.
    """
    start = time.monotonic()
    patroni, balancers = Patroni(topology, home), Routing(topology, home)
    with steps.step("Vérifications"):
        plan = prepare(topology, home, target)
    with steps.step("Points de contrôle"):
        _checkpoint(topology, plan)
    with pause.paused(topology, home, steps) as held:
        with steps.step("Bascule par Patroni"):
            timeline = _promote(patroni, plan, held)
        with steps.step("Répartiteurs : écritures vers le nouveau primaire"):
            _wait(held, lambda: routing.writes_elsewhere(balancers.routes(), plan.target))
            held.resume(lambda database: not database.read_only)
        with steps.step("Répartiteurs : lectures vers les seuls réplicas"):
            # A load balancer cuts the sessions of a server that it declares lost: readers come
            # back once it has stopped counting the new primary among the replicas.
            _wait(held, lambda: routing.reads_from(balancers.routes(), plan.target))
            held.resume()
    seconds = time.monotonic() - start
    placement.keep_apart(topology, home, steps)
    return Outcome(plan, timeline, held.durations, seconds, held.problem())


def prepare(topology: Topology, home: Home, target: str = "") -> Plan:
    """Return what would happen; CitadelleError with every reason why it must not."""
    patroni = Patroni(topology, home)
    leader = patroni.leader()
    if leader is None:
        raise CitadelleError("Aucun primaire en service : voir « invoke status ».")
    seen = _cluster(patroni, leader)
    members = {row["name"]: row for row in seen["members"]}
    chosen = target or choose(topology, members)
    problems = cluster_problems(seen) + target_problems(topology, members, leader, chosen)
    if wrong := routing.writes_elsewhere(Routing(topology, home).routes(), leader):
        problems.append(wrong)
    with poolers.consoles(topology, home) as orders:
        pause.found(topology, orders)
    if problems:
        raise CitadelleError("Bascule refusée, rien n'a été changé :\n  " + "\n  ".join(problems))
    return Plan(leader, chosen, int(members[leader]["timeline"]))


def _cluster(patroni: Patroni, leader: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = patroni.request(leader, "GET", "/cluster").json()
    except (httpx.HTTPError, ValueError) as error:
        raise CitadelleError(
            f"{leader} ne répond plus ({error}) : voir « invoke status »."
        ) from None
    return found


def choose(topology: Topology, members: Members) -> str:
    """Return the best synchronous standby: preferred datacentre, then priority; "" if none."""
    ready = [name for name, row in members.items() if row["role"] == "sync_standby"]
    return min(ready, key=lambda n: (topology.is_remote(n), -topology.priority(n)), default="")


def cluster_problems(seen: dict[str, Any]) -> list[str]:
    """Return what in Patroni's GET /cluster keeps it from switching over, in French."""
    problems = []
    if seen.get("pause"):
        problems.append("Patroni est en pause (« patronictl resume » d'abord)")
    if seen.get("scheduled_switchover"):
        problems.append("une bascule est déjà programmée (« patronictl flush » d'abord)")
    return problems


def target_problems(topology: Topology, members: Members, leader: str, node: str) -> list[str]:
    """Return why this node must not be the next primary, in French."""
    if not node:
        return ["aucun réplica synchrone : lui seul a toutes les écritures acquittées"]
    if node not in members:
        return [f"{node} inconnu (nœuds : {', '.join(sorted(members))})"]
    if node == leader:
        return [f"{node} est déjà le primaire"]
    row = members[node]
    tags = row.get("tags", {})
    # A number of bytes, or "unknown".
    lags = [row.get(key, 0) for key in ("lag", "replay_lag")]
    ready = all(isinstance(lag, int) and lag <= LAG_BYTES for lag in lags)
    found = {
        f"{node} n'est pas synchrone ({row['role']}) : des écritures acquittées pourraient y "
        "manquer": row["role"] != "sync_standby",
        f"{node} ne réplique pas ({row['state']})": row["state"] != "streaming",
        f"{node} est en retard : {lags[0]} octets à recevoir, {lags[1]} à rejouer (au plus "
        f"{LAG_BYTES})": not ready,
        f"{node} n'est jamais promu (PRIORITY=0 ou nofailover)": topology.priority(node) == 0
        or bool(tags.get("nofailover")),
        f"{node} attend un redémarrage (« invoke roll --node {node} » d'abord)": bool(
            row.get("pending_restart")
        ),
    }
    return [problem for problem, present in found.items() if present]


def _checkpoint(topology: Topology, plan: Plan) -> None:
    """Write what is in memory now, not while clients wait."""
    with ThreadPoolExecutor() as pool:
        nodes = (plan.leader, plan.target)
        for done in [pool.submit(accounts.run_sql, topology, n, "CHECKPOINT;") for n in nodes]:
            done.result()


def _promote(patroni: Patroni, plan: Plan, held: Pause) -> int:
    """Order the switchover; return the new timeline once the target is out of recovery.

    Raises:
        CitadelleError: before the order when too little of the pause is left for it to end.
    """
    if held.left() < NEEDED_SECONDS:
        raise CitadelleError(
            "Les PgBouncer ont mis trop longtemps à suspendre leurs clients : rien n'a été "
            "changé, ils continuent. Réessayez quand la machine sera moins chargée."
        )
    pool = ThreadPoolExecutor(1)
    order = pool.submit(_order, patroni, plan)
    state: dict[str, Any] = {}

    def missing() -> str | None:
        nonlocal state
        state = _state(patroni, plan.target)
        return _unpromoted(plan, order, state)

    try:
        _wait(held, missing)
    finally:
        # Patroni's answer comes after clients have gone on: nobody waits for it.
        pool.shutdown(wait=False)
    return int(state["timeline"])


def _order(patroni: Patroni, plan: Plan) -> httpx.Response:
    body = {"leader": plan.leader, "candidate": plan.target}
    options = {"body": body, "auth": patroni.auth, "seconds": ORDER_SECONDS}
    return patroni.request(plan.leader, "POST", "/switchover", **options)


def _unpromoted(plan: Plan, order: Future[httpx.Response], state: dict[str, Any]) -> str | None:
    """Return what is missing; CitadelleError as soon as Patroni says no."""
    if order.done() and order.exception() is None and order.result().is_error:
        answer = order.result()
        raise CitadelleError(
            f"Patroni refuse la bascule ({answer.status_code} {answer.text.strip()}) : "
            f"{plan.leader} reste le primaire, les clients continuent."
        )
    # Not /primary's code alone: it is 200 as soon as the lock is held, before the promotion.
    if state.get("role") == "primary" and int(state.get("timeline") or 0) > plan.timeline:
        return None
    return f"{plan.target} : {state.get('role', 'muet')} {state.get('state', '')}".strip()


def _state(patroni: Patroni, node: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = patroni.request(node, "GET", "/patroni").json()
    except (httpx.HTTPError, ValueError):
        return {}
    return found


def _wait(held: Pause, missing: Callable[[], str | None]) -> None:
    """Wait as long as clients may be held: then they go on, whoever is the primary."""
    advice = "Les clients continuent ; voir « invoke status » : Patroni peut avoir fini depuis."
    wait_until(missing, "Bascule", held.left(), advice, poll=routing.POLL_SECONDS)


def show(outcome: Outcome) -> None:
    """Print who is the primary now and how long each pooler's clients waited."""
    grid = progress.table("Attente des clients", "PgBouncer", "Base", "Pause (ms)")
    for database, seconds in sorted(outcome.pauses.items(), key=lambda item: item[0].pooler):
        grid.add_row(database.pooler, database.name, f"{1000 * seconds:.0f}")
    console.print(grid)
    console.print(
        f"Primaire : {outcome.plan.leader} → {outcome.plan.target}, ligne de temps "
        f"{outcome.timeline}, en {outcome.seconds:.1f} s."
    )
    if outcome.problem:
        console.print(f"[red]✘[/] {outcome.problem}")
