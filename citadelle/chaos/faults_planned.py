"""What is done on purpose, and must cost no pooled client an error."""

from __future__ import annotations

from citadelle import roll, switchover
from citadelle.chaos import containers
from citadelle.chaos.fault import REBUILD_SECONDS, Fault, Field
from citadelle.progress import Steps

# Issue 4: of the switchover, and of each machine of a roll.
PLANNED_GAP_SECONDS = 3.0


def _switch_over(field: Field) -> None:
    outcome = switchover.run(field.topology, field.home, Steps())
    field.notes += [outcome.problem] if outcome.problem else []


def _roll(field: Field) -> None:
    field.notes += roll.run(field.topology, field.home).notes


FAULTS = (
    Fault(
        name="bascule-planifiee",
        title="Bascule planifiée",
        what="« invoke switchover » vers le réplica synchrone.",
        inject=_switch_over,
        restore=containers.revive,
        expectation="Les clients du pooler attendent un instant et ne voient aucune erreur.",
        max_gap_seconds=PLANNED_GAP_SECONDS,
        max_pooled_errors=0,
        promotes=True,
    ),
    Fault(
        name="redemarrage-tournant",
        title="Redémarrage tournant de toutes les machines",
        what="« invoke roll » : etcd, réplicas, primaire après bascule, HAProxy, PgBouncer.",
        inject=_roll,
        restore=containers.revive,
        expectation="Chaque machine ne coûte qu'une attente aux clients du pooler, sans erreur.",
        deadline_seconds=REBUILD_SECONDS,
        max_gap_seconds=PLANNED_GAP_SECONDS,
        max_pooled_errors=0,
        promotes=True,
    ),
)
