"""How one machine is restarted or replaced without an error for pooled clients, by kind.

Why PAUSE for a load balancer, and for readers when a replica leaves: PgBouncer's connections
run through them. A drain would not do: new connections still go to both load balancers by
turns, and one that fails while its pool is empty is an error for the client that waits for it
("server login has been failing"). Held clients notice nothing, and a restart takes a second.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from citadelle import accounts, engine, pause, poolers, routing
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.pause import PAUSE_SECONDS, Pause
from citadelle.poolers import Connection, Order
from citadelle.progress import Steps, wait_until
from citadelle.renewal import renew, services
from citadelle.routing import Routing
from citadelle.topology import ETCD, HAPROXY, PG, Topology
from citadelle.workspace import Home

# How long clients may take to leave a pooler by themselves, in seconds (`--drain`).
DRAIN_SECONDS = 30
# Then connections idle for so long are closed, ever shorter (seconds), while there are any: an
# application's pool sees that its idle connection is closed and opens another one, without an
# error. A client that sends its next request just then sees one, so the stages stay far below
# what applications breathe between two transactions: at 20 ms, clients with a pause of 20 ms
# were closed just as they spoke.
IDLE_SECONDS = (0.5, 0.005, 0.001)
# A replica that has just restarted catches up before HAProxy counts it in (lag=16MB), in seconds.
READER_SECONDS = 120.0
# PgBouncer looks at idle clients three times per second (full_maint_period in its janitor.c).
IDLE_STAGE_SECONDS = 3.0


@dataclass
class Roll:
    """What every step works on; ``notes`` are what clients may have noticed, in French."""

    topology: Topology
    home: Home
    steps: Steps
    drain_seconds: float = DRAIN_SECONDS
    notes: list[str] = field(default_factory=list)

    def renew(self, *names: str) -> None:
        """Replace or restart some containers of one machine."""
        renew(self.topology, self.home, names)

    def note(self, held: Pause) -> None:
        """Keep what clients may have noticed of a pause."""
        if problem := held.problem():
            self.notes.append(problem)


def machine(roll: Roll, name: str) -> None:
    """Restart or replace one machine; it may still be coming back on return."""
    if name in ETCD:
        # A member that stops hands its leadership over by itself.
        with roll.steps.step(f"{name} : redémarrage"):
            roll.renew(name)
    elif name in PG:
        _pod(roll, name)
    elif name in HAPROXY:
        _balancer(roll, name)
    else:
        _pooler(roll, name)


def _pod(roll: Roll, node: str) -> None:
    """A replica's pod, without readers behind it; a primary hands over first."""
    topology, home, steps = roll.topology, roll.home, roll.steps
    if Patroni(topology, home).leader() == node:
        raise CitadelleError(f"{node} est le primaire : une bascule d'abord.")
    network, postgres, gateway = services(node)
    with steps.step(f"{node} : point de contrôle"):
        accounts.run_sql(topology, node, "CHECKPOINT;")
    _wait_other_reader(roll, node)
    _leave_reads(roll, node, f"{topology.settings.cluster_name}-{gateway}")
    with steps.step(f"{node} : PostgreSQL"):
        roll.renew(network, postgres)
    # Last: the load balancers only come back to a replica that has restarted already.
    with steps.step(f"{node} : passerelle"):
        roll.renew(network, gateway)


def _wait_other_reader(roll: Roll, node: str) -> None:
    """Wait until another replica serves readers, unless the primary does as a last resort."""
    if roll.topology.settings.haproxy_ro_primary == "secours":
        return
    balancers = Routing(roll.topology, roll.home)
    with roll.steps.step(f"{node} : un autre réplica sert les lectures"):
        wait_until(
            lambda: routing.only_reader(balancers.routes(), node),
            "Lectures",
            READER_SECONDS,
            "Rien n'a été touché ; le retard de chaque réplica : « invoke status ».",
        )


def _leave_reads(roll: Roll, node: str, gateway: str) -> None:
    """Stop the gateway, and hold readers until both load balancers have noticed."""
    balancers = Routing(roll.topology, roll.home)
    with pause.paused(roll.topology, roll.home, roll.steps, lambda d: d.read_only) as held:
        try:
            with roll.steps.step(f"{node} : plus de lectures"):
                engine.docker("stop", gateway)
                wait_until(
                    lambda: routing.reads_from(balancers.routes(), node),
                    f"{node} sans lectures",
                    held.left(),
                    poll=routing.POLL_SECONDS,
                )
        except BaseException:
            # Nothing else was touched: the replica serves again.
            engine.docker("start", gateway)
            raise
    roll.note(held)


def _balancer(roll: Roll, node: str) -> None:
    """A load balancer, between two transactions of every client."""
    balancers = Routing(roll.topology, roll.home)
    leader = Patroni(roll.topology, roll.home).leader() or ""
    if wrong := routing.unsettled(balancers.routes(), leader):
        raise CitadelleError(f"{wrong} : pas le moment.")
    with (
        pause.paused(roll.topology, roll.home, roll.steps) as held,
        roll.steps.step(f"{node} : redémarrage"),
    ):
        roll.renew(node)
        _wait_settled(roll, balancers, leader, held)
    roll.note(held)


def _wait_settled(roll: Roll, balancers: Routing, leader: str, held: Pause) -> None:
    """Hold clients until it is right, or as long as they may be held: then it is noted."""
    try:
        wait_until(
            lambda: routing.unsettled(balancers.routes(), leader),
            "Répartiteurs",
            held.left(),
            poll=routing.POLL_SECONDS,
        )
    except CitadelleError as error:
        roll.notes.append(f"{error} Les clients n'ont pas attendu : ils ont pu voir des erreurs.")


def _pooler(roll: Roll, node: str) -> None:
    """A pooler, once its clients have left for the other one.

    PostgreSQL's protocol has no way to send a client elsewhere: `max_lifetime` of an
    application's pool below the drain makes it leave by itself. Who does not is closed while
    idle; who never is, between two transactions.
    """
    with ExitStack() as stack:
        with roll.steps.step(f"{node} : départ des clients"):
            # All before SHUTDOWN, which closes the port to new connections. An open console
            # keeps the process alive until `renew`.
            orders = stack.enter_context(poolers.opened(roll.topology, roll.home, node))
            waiting = [
                Order(d, f"PAUSE {d.name}", stack.enter_context(_opened(roll, node)))
                for d in poolers.databases(roll.topology, node, orders)
            ]
            try:
                poolers.close_port(orders)
                left = _drain(roll, node, orders)
            except BaseException:
                # Its port stays closed to new clients until a restart, and no check sees it.
                roll.renew(*services(node))
                raise
        with roll.steps.step(f"{node} : redémarrage"):
            if left:
                _cut(roll, node, left, waiting)
            roll.renew(*services(node))


def _opened(roll: Roll, node: str) -> closing[Connection]:
    return poolers.opened(roll.topology, roll.home, node)


def _drain(roll: Roll, node: str, orders: Connection) -> int:
    """Wait for clients to leave, then close the idle ones; return how many are left."""
    late = left = _wait_gone(orders, roll.drain_seconds)
    for idle in IDLE_SECONDS:
        if left:
            poolers.close_idle(orders, idle)
            left = _wait_gone(orders, IDLE_STAGE_SECONDS)
    if late:
        roll.notes.append(
            f"{node} : {late} clients n'étaient pas partis après {roll.drain_seconds:.0f} s ; "
            "leurs connexions ont été fermées, inactives. Seule une requête partie à cet instant "
            "a pu voir une erreur."
        )
    return left


def _wait_gone(orders: Connection, seconds: float) -> int:
    def missing() -> str | None:
        left = poolers.clients(orders)
        return f"{left} clients" if left else None

    try:
        wait_until(missing, "Départ des clients", seconds, poll=routing.POLL_SECONDS)
    except CitadelleError:
        return poolers.clients(orders)
    return 0


def _cut(roll: Roll, node: str, left: int, waiting: list[Order]) -> None:
    """Let transactions end before connections are closed; say what clients will see."""
    late = poolers.give(waiting, PAUSE_SECONDS)
    how = "peut-être dans une transaction" if late else "entre deux transactions"
    roll.notes.append(f"{node} : {left} clients sans répit, coupés {how} : une erreur chacun.")
