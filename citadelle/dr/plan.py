"""What is about to happen, what forbids it, and the sentence that the operator must type."""

from __future__ import annotations

from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from citadelle import progress
from citadelle.dr import quorum, sight
from citadelle.dr.bound import UNKNOWN, clock
from citadelle.dr.sight import Machine, Sight
from citadelle.errors import CitadelleError
from citadelle.progress import console
from citadelle.topology import PG, Topology

# The operator's option that overrides the refusals of `Plan.living`.
OVERRIDE = "--although-alive"
STEPS = (
    "arrêter ce qui tourne encore dans {lost}, et ne plus le laisser redémarrer",
    "refaire le quorum d'etcd de {member} seul, authentification comprise",
    "vérifier que {lost} n'est pas revenu entre-temps",
    "promouvoir {node} par Patroni, une fois éteint le bail de l'ancien primaire",
    "écrire une ligne par le répartiteur et le PgBouncer du site distant",
)


@dataclass(frozen=True)
class Plan:
    """``wrong`` forbids it; ``living`` too, unless overridden; both in French."""

    topology: Topology
    node: str
    sight: Sight
    wrong: list[str]
    living: list[str]

    @property
    def lost(self) -> str:
        """The datacentre that is given up."""
        return self.topology.preferred_datacenter

    @property
    def sentence(self) -> str:
        """What must be typed: it says what the operator takes upon himself."""
        words = [f"promouvoir {self.node}", f"{self.lost} est perdu"]
        words += [] if self.sight.bound.known else ["perte inconnue"]
        words += [f"bien que {self.lost} réponde"] if self.living else []
        return ", ".join(words)


def plan(topology: Topology, node: str, seen: Sight) -> Plan:
    """Judge what was seen."""
    return Plan(topology, node, seen, _wrong(seen), living(seen.lost, seen.quorum))


def only_node(topology: Topology) -> str:
    """Return the first PostgreSQL out of the preferred datacentre; "" when all are in it."""
    return next((name for name in PG if topology.is_remote(name)), "")


def check_node(topology: Topology, node: str) -> None:
    """Raise CitadelleError for a node that no takeover can promote, before anything is asked."""
    lost = topology.preferred_datacenter
    remotes = ", ".join(name for name in PG if topology.is_remote(name)) or "aucun"
    if node not in PG:
        raise CitadelleError(f"« {node} » n'est pas un PostgreSQL (hors de {lost} : {remotes}).")
    if not topology.is_remote(node):
        raise CitadelleError(
            f"{node} est dans {lost}, le centre dont dr.promote suppose la perte (ailleurs : "
            f"{remotes}).\nPour changer de primaire : « invoke switchover --to {node} »."
        )
    if topology.priority(node) == 0:
        raise CitadelleError(
            f"{node.upper()}_PRIORITY=0 : Patroni ne le promeut jamais. Changez-la dans .env."
        )
    if len(last := sight.witnesses(topology)) != 1:
        raise CitadelleError(
            f"{len(last)} membres d'etcd hors de {lost} : la perte de {lost} ne coûte pas la "
            "majorité,\nou ne laisse aucun membre. dr.promote refait le quorum d'un seul."
        )


def living(machines: tuple[Machine, ...], members: tuple[str, ...]) -> list[str]:
    """Return the reasons to think that the preferred site lives, in French."""
    found = [f"{m.name} répond ({m.answer})" for m in machines if m.living and m.name in PG]
    if members:
        found.append(f"etcd a la majorité ({', '.join(members)}) : Patroni y bascule de lui-même")
    found += [f"{m.name} est en pause : réveillé, il reprendrait" for m in machines if _frozen(m)]
    return found


def _frozen(machine: Machine) -> bool:
    return machine.name in PG and machine.containers.get(machine.name) == "paused"


def _wrong(seen: Sight) -> list[str]:
    found = []
    if seen.remote.problem:
        found.append(f"{seen.remote.node} ne répond pas : {seen.remote.problem}")
    elif seen.remote.role in ("primary", "master"):
        found.append(f"{seen.remote.node} est déjà le primaire")
    if seen.past_problem:
        found.append(f"le quorum ne se refait pas de {seen.past_problem}")
    if seen.past is not None:
        member = seen.past.members[0] if seen.past.members else "?"
        found += quorum.problems(seen.past, member)
    return found


def show(found: Plan) -> None:
    """Print what was seen and what would be done."""
    console.print(_machines(found.sight))
    console.print(_known(found))
    member = sight.witnesses(found.topology)[0]
    for number, text in enumerate(STEPS, 1):
        said = text.format(lost=found.lost, member=member, node=found.node)
        console.print(f"  {number}. {said}")


def _machines(seen: Sight) -> Table:
    grid = progress.table("Le centre perdu, vu d'ici", "Machine", "Moteur", "Réseau")
    for machine in seen.lost:
        states = sorted(set(machine.containers.values()))
        grid.add_row(machine.name, ", ".join(states), escape(machine.answer or "muet"))
    return grid


def _known(found: Plan) -> Table:
    seen, grid = found.sight, progress.table(f"Ce que {found.node} sait", "Fait", "Valeur")
    has = seen.remote.received
    commit = f"{clock(has.last_commit)} (il y a {_ago(seen):.0f} s)" if has.last_commit else UNKNOWN
    grid.add_row("Dernière transaction rejouée", commit)
    grid.add_row("WAL reçu", _bytes(has.received))
    grid.add_row("WAL rejoué", _bytes(has.replayed))
    past = seen.past
    grid.add_row("Primaire au dernier battement", (past and past.leader) or UNKNOWN)
    grid.add_row("Sa position alors", _bytes(past.optime if past else None))
    stopped = clock(seen.stopped) if seen.stopped else "pas d'arrêt constaté par le moteur"
    grid.add_row(f"{found.lost} arrêté", stopped)
    grid.add_row("Perte possible", str(seen.bound))
    return grid


def _ago(seen: Sight) -> float:
    commit = seen.remote.received.last_commit
    return (seen.at - commit).total_seconds() if commit else 0.0


def _bytes(position: int | None) -> str:
    return UNKNOWN if position is None else f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
