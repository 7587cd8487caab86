"""Faults of a whole machine: the primary's pod frozen, killed or stopped."""

from __future__ import annotations

from citadelle.chaos import containers
from citadelle.chaos.containers import pod
from citadelle.chaos.fault import PAST_LEASE_SECONDS, Fault, Field
from citadelle.chaos.loads import IN_FLIGHT

# With the plain lease, then with the fencer (issue 4).
POD_KILLED_SECONDS = 25.0
POD_FENCED_SECONDS = 6.0
# How long a stopped machine stays away: the standby serves, the replicas follow it.
AWAY_SECONDS = 10.0


def _pause(field: Field) -> None:
    containers.pause(field, *pod(field.primary))


def _kill(field: Field) -> None:
    containers.kill(field, *pod(field.primary))


def _stop(field: Field) -> None:
    """PostgreSQL first: Patroni needs its gateway to hand over."""
    for name in pod(field.primary):
        containers.stop(field, name)


FAULTS = (
    Fault(
        name="pod-gele",
        title="Pod du primaire figé au-delà du bail, puis réveillé",
        what="Tous les processus du pod gelés ; au réveil, l'ancien se croit encore primaire.",
        inject=_pause,
        restore=containers.revive,
        expectation="Un seul primaire : l'ancien, réveillé, ne peut rien acquitter.",
        hold_seconds=PAST_LEASE_SECONDS,
        past_lease=True,
        max_pooled_errors=IN_FLIGHT,
        promotes=True,
    ),
    Fault(
        name="pod-tue",
        title="Pod du primaire tué (-9)",
        what="Patroni, PostgreSQL et passerelle tués ; le pod reste absent au-delà du bail.",
        inject=_kill,
        restore=containers.revive,
        expectation="Le réplica synchrone est promu en fin de bail.",
        hold_seconds=PAST_LEASE_SECONDS,
        past_lease=True,
        max_gap_seconds=POD_KILLED_SECONDS,
        fenced_gap_seconds=POD_FENCED_SECONDS,
        max_pooled_errors=IN_FLIGHT,
        promotes=True,
    ),
    Fault(
        name="pod-arrete",
        title="Pod du primaire arrêté proprement",
        what="Arrêt normal de la machine : Patroni arrête PostgreSQL et rend le verrou.",
        inject=_stop,
        restore=containers.revive,
        expectation="Le réplica est promu dès l'arrêt, sans attendre le bail.",
        hold_seconds=AWAY_SECONDS,
        max_gap_seconds=5,
        max_pooled_errors=IN_FLIGHT,
        promotes=True,
    ),
)
