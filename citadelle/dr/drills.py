"""The drills: each site, the link between them, one node; as faults, under load and watched.

What is beyond a fault's own expectation is checked where it happens: an unexpected primary is an
incident of the run.
"""

from __future__ import annotations

from citadelle.chaos import containers, cuts
from citadelle.chaos.containers import pod
from citadelle.chaos.fault import REBUILD_SECONDS, Fault, Field
from citadelle.chaos.loads import IN_FLIGHT
from citadelle.dr import failback, journal, plan, promote
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console, wait_until
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology

# Longer than a lease: whatever the loss of the site would trigger has happened.
AWAY_SECONDS = 30.0
# A lease, an election, a promotion, and room on two busy cores.
TAKEOVER_SECONDS = 60.0
NODES = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
BACK = "bascule de retour"


def site(topology: Topology, *, remote: bool) -> list[str]:
    """Return the containers of one site, but for those that only hold a network."""
    nodes = [node for node in NODES if topology.is_remote(node) is remote]
    return [name for node in nodes for name in (pod(node) if node in PG else (node,))]


def _kill_remote(field: Field) -> None:
    if not site(field.topology, remote=True):
        raise CitadelleError("Un seul centre dans .env : aucun site distant à perdre.")
    containers.kill(field, *site(field.topology, remote=True))


def _kill_node(field: Field) -> None:
    """Kill the primary's pod, and wait until another node serves: one of the same site."""
    old, patroni = field.primary, Patroni(field.topology, field.home)
    containers.kill(field, *pod(old))

    def missing() -> str | None:
        leader = patroni.leader()
        return None if leader not in (None, old) else "pas encore"

    wait_until(missing, "Nouveau primaire", field.topology.settings.patroni_ttl + TAKEOVER_SECONDS)
    leader = patroni.leader() or "?"
    field.notes.append(f"{old} tué, {leader} promu")
    if leader not in PG or field.topology.is_remote(leader):
        raise CitadelleError(f"{leader} promu alors qu'un nœud du centre préféré était éligible")


def _cut_link(field: Field) -> None:
    """Drop every packet between the sites, at the remote machines' doors, on both ways."""
    topology = field.topology
    there = [node for node in NODES if not topology.is_remote(node)]
    for node in (node for node in NODES if topology.is_remote(node)):
        cuts.apply(field, node, cuts.from_nodes(topology, there))


def _lose(field: Field) -> None:
    """Kill the preferred site, look, and promote as an operator does, sentence included."""
    node = plan.only_node(field.topology)
    plan.check_node(field.topology, node)
    containers.kill(field, *site(field.topology, remote=False))
    field.mark("dr.promote")
    done = promote.run(field.topology, field.home, Steps(), node, lambda sentence: sentence)
    known = done.journal
    if known.since is not None and known.until is not None:
        field.foretold = (known.since, known.until)
    field.notes.append(f"perte annoncée avant : {known.foreseen}")
    spent = ", ".join(f"{title} {seconds:.1f} s" for title, seconds in known.steps.items())
    field.notes.append(f"promotion en {sum(known.steps.values()):.1f} s ({spent})")
    field.mark("site distant promu")


def _give_back(field: Field) -> None:
    """Fail back when there was a takeover; otherwise only wake what was killed."""
    if journal.load(field.home) is None:
        containers.revive(field)
        return
    field.mark("dr.failback")
    done = failback.run(
        field.topology,
        field.home,
        Steps(),
        lambda sentence: sentence,
        before=lambda: field.mark(BACK),
    )
    field.mark("retour fini")
    rebuilt = f", recopiés : {', '.join(done.rebuilt)}" if done.rebuilt else ""
    field.notes.append(f"retour en {done.seconds:.0f} s{rebuilt}")


def show(topology: Topology, fault: Fault, runs: int) -> None:
    """Print what a drill does before it is confirmed."""
    where = {
        REMOTE.name: site(topology, remote=True),
        SITE.name: site(topology, remote=False),
    }
    console.print(f"{fault.title}. {fault.what}")
    if fault.name in where:
        console.print(f"  Conteneurs : {', '.join(where[fault.name])}")
    console.print("  1. cluster sain exigé ; charge par le pooler et en direct, veilleur")
    console.print("  2. la panne, puis la remise en état, quoi qu'il arrive")
    console.print("  3. cluster sain de nouveau ; grand livre des écritures comparé au primaire")
    console.print(f"  Attendu : {fault.expectation}")
    console.print(f"  Essais : {runs}. Rapport : reports/chaos.html, reports/chaos.json")


REMOTE = Fault(
    name="site-distant-perdu",
    title="Site distant perdu",
    what="Toutes ses machines tuées (-9), absentes trente secondes.",
    inject=_kill_remote,
    restore=containers.revive,
    expectation="Les écritures continuent dans le centre préféré.",
    hold_seconds=AWAY_SECONDS,
    max_gap_seconds=2,
    max_pooled_errors=IN_FLIGHT,
)
NODE = Fault(
    name="noeud-prefere-perdu",
    title="Un nœud du centre préféré perdu",
    what="Le pod du primaire tué (-9) jusqu'à ce qu'un autre serve.",
    inject=_kill_node,
    restore=containers.revive,
    expectation="L'autre nœud du centre préféré est promu, jamais le site distant.",
    max_pooled_errors=IN_FLIGHT,
    promotes=True,
)
LINK = Fault(
    name="lien-coupe",
    title="Lien entre les deux centres coupé",
    what="Tous les paquets entre les sites jetés pendant trente secondes.",
    inject=_cut_link,
    restore=cuts.heal,
    expectation="Les écritures continuent dans le centre préféré ; le site distant rattrape.",
    hold_seconds=AWAY_SECONDS,
    max_gap_seconds=2,
    max_pooled_errors=IN_FLIGHT,
)
SITE = Fault(
    name="centre-prefere-perdu",
    title="Centre préféré perdu, puis retour",
    what="Toutes ses machines tuées (-9) ; invoke dr.promote, puis invoke dr.failback.",
    inject=_lose,
    restore=_give_back,
    expectation="Le site distant sert ; la perte reste dans la limite annoncée ; un seul primaire.",
    hold_seconds=10.0,
    deadline_seconds=REBUILD_SECONDS,
    loses_nothing=False,
    quiet=(BACK,),
    promotes=True,
)
FAULTS = (REMOTE, NODE, LINK, SITE)
