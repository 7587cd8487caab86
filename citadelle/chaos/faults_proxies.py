"""Faults of what stands between clients and PostgreSQL."""

from __future__ import annotations

from citadelle.chaos import containers, processes
from citadelle.chaos.fault import Fault, Field
from citadelle.chaos.loads import IN_FLIGHT
from citadelle.topology import HAPROXY, PGBOUNCER, UID, Role

AWAY_SECONDS = 10.0
# Beyond `hard-stop-after` (60 s, config/haproxy/haproxy.cfg.j2), when old sessions are cut.
RELOAD_SECONDS = 65.0
# The first of each: where clients go by preference.
BALANCER, POOLER = HAPROXY[0], PGBOUNCER[0]


def _kill_balancer(field: Field) -> None:
    containers.kill(field, BALANCER)


def _reload_balancer(field: Field) -> None:
    processes.reload_haproxy(field.container(BALANCER))


def _kill_pooler(field: Field) -> None:
    containers.kill(field, POOLER)


def _crash_gateway(field: Field) -> None:
    gateway = containers.pod(field.primary)[1]
    field.touched.add(gateway)
    processes.crash_haproxy(field.container(gateway), str(UID[Role.GATEWAY]))


FAULTS = (
    Fault(
        name="repartiteur-tue",
        title="Répartiteur tué",
        what="Le premier HAProxy tué (-9), absent dix secondes.",
        inject=_kill_balancer,
        restore=containers.revive,
        expectation="PgBouncer et les clients directs passent par l'autre.",
        hold_seconds=AWAY_SECONDS,
        max_gap_seconds=2,
        max_pooled_errors=IN_FLIGHT,
    ),
    Fault(
        name="repartiteur-recharge",
        title="Répartiteur rechargé sous charge",
        what="Le premier HAProxy relit ses fichiers (SIGUSR2) ; l'ancien processus finit en 60 s.",
        inject=_reload_balancer,
        restore=containers.revive,
        expectation="Aucune coupure au rechargement ; à 60 s, les sessions restées sont coupées.",
        hold_seconds=RELOAD_SECONDS,
        max_gap_seconds=2,
        max_pooled_errors=IN_FLIGHT,
    ),
    Fault(
        name="pgbouncer-tue",
        title="PgBouncer tué",
        what="Le premier PgBouncer tué (-9), absent dix secondes.",
        inject=_kill_pooler,
        restore=containers.revive,
        expectation="Ses clients se reconnectent à l'autre.",
        hold_seconds=AWAY_SECONDS,
        max_gap_seconds=2,
        max_pooled_errors=IN_FLIGHT,
    ),
    Fault(
        name="passerelle-tuee",
        title="Passerelle du primaire tuée",
        what="Processus HAProxy du pod du primaire tué (-9) ; le moteur relance le conteneur.",
        inject=_crash_gateway,
        restore=containers.revive,
        expectation="Pas de bascule : la porte du pod se rouvre seule, les clients y reviennent.",
        max_gap_seconds=2,
        max_pooled_errors=IN_FLIGHT,
        promotes=False,
    ),
)
