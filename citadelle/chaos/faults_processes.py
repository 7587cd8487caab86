"""Faults of PostgreSQL's and Patroni's processes, on the primary."""

from __future__ import annotations

from citadelle.chaos import containers, processes
from citadelle.chaos.fault import PAST_LEASE_SECONDS, Fault, Field
from citadelle.chaos.loads import IN_FLIGHT

# A container that ends and starts again, a Patroni that loads and takes a round, a PostgreSQL
# that recovers: never less, and the same node may then take its own lock again.
RESTART_SECONDS = 1.0


def _kill_postgres(field: Field) -> None:
    processes.kill_postmaster(field.container(field.primary))


def _kill_patroni(field: Field) -> None:
    field.touched.add(field.primary)
    processes.kill_patroni(field.container(field.primary))


def _orphan_postgres(field: Field) -> None:
    containers.stop_init(field, field.primary)
    processes.kill_patroni(field.container(field.primary))


def _freeze_patroni(field: Field) -> None:
    field.touched.add(field.primary)
    field.frozen.add(field.primary)
    processes.freeze_patroni(field.container(field.primary))


FAULTS = (
    Fault(
        name="postgres-tue",
        title="PostgreSQL tué (-9) sur le primaire",
        what="kill -9 du processus père de PostgreSQL ; Patroni reste en vie.",
        inject=_kill_postgres,
        restore=containers.revive,
        expectation="Patroni rend le verrou au tour suivant, le réplica synchrone est promu.",
        max_gap_seconds=4,
        max_pooled_errors=IN_FLIGHT,
    ),
    Fault(
        name="patroni-tue",
        title="Patroni tué (-9) sur le primaire",
        what="kill -9 du démon ; le conteneur finit avec lui, PostgreSQL compris, et redémarre.",
        inject=_kill_patroni,
        restore=containers.revive,
        expectation="Patroni revient et reprend sa place ; s'il tarde, le bail puis une promotion.",
        max_pooled_errors=IN_FLIGHT,
        min_gap_seconds=RESTART_SECONDS,
    ),
    Fault(
        name="patroni-tue-postgres-vivant",
        title="Patroni tué (-9), PostgreSQL laissé en vie",
        what="init du conteneur arrêté (SIGSTOP), puis kill -9 du démon : PostgreSQL orphelin.",
        inject=_orphan_postgres,
        restore=containers.revive,
        expectation="Le réplica est promu en fin de bail ; l'orphelin n'acquitte plus rien.",
        hold_seconds=PAST_LEASE_SECONDS,
        past_lease=True,
        max_pooled_errors=IN_FLIGHT,
        promotes=True,
        watched=True,
    ),
    Fault(
        name="patroni-gele",
        title="Patroni figé au-delà du bail",
        what="SIGSTOP du démon, PostgreSQL continue ; SIGCONT après la fin du bail.",
        inject=_freeze_patroni,
        restore=containers.revive,
        expectation="Le réplica est promu en fin de bail ; au réveil, l'ancien se rembobine.",
        hold_seconds=PAST_LEASE_SECONDS,
        past_lease=True,
        max_pooled_errors=IN_FLIGHT,
        promotes=True,
        watched=True,
    ),
)
