"""Faults of etcd: a member, its leader together with the primary, the quorum, a lost disk."""

from __future__ import annotations

from citadelle.chaos import containers, rejoin
from citadelle.chaos.containers import pod
from citadelle.chaos.fault import PAST_LEASE_SECONDS, Fault, Field
from citadelle.chaos.loads import IN_FLIGHT

# An election (2 s without heartbeat, config/etcd/etcd.yml.j2) and Patroni's next rounds.
MEMBER_SECONDS = 10.0
# A new leader of etcd gives every lease its whole time again (components.md, 1.2).
ELECTION_SECONDS = 4.0
# Beyond Patroni's retry_timeout, below PgBouncer's query_wait_timeout (60 s): clients wait.
QUORUM_SECONDS = 20.0


def _kill_member(field: Field) -> None:
    containers.kill(field, field.etcd_leader)


def _kill_both(field: Field) -> None:
    containers.kill(field, *pod(field.primary), field.etcd_leader)


def _kill_quorum(field: Field) -> None:
    containers.kill(field, field.etcd_leader, field.etcd_followers[0])


def _wipe(field: Field) -> None:
    rejoin.wipe(field, field.etcd_followers[0])


FAULTS = (
    Fault(
        name="etcd-membre-tue",
        title="Membre d'etcd tué (son chef)",
        what="Le chef d'etcd tué (-9), c'est le pire des trois membres ; absent dix secondes.",
        inject=_kill_member,
        restore=containers.revive,
        expectation="Les deux autres élisent un chef ; Patroni passe à eux, rien ne s'arrête.",
        hold_seconds=MEMBER_SECONDS,
        max_gap_seconds=2,
        max_pooled_errors=IN_FLIGHT,
    ),
    Fault(
        name="etcd-chef-et-primaire-tues",
        title="Chef d'etcd et pod du primaire tués ensemble",
        what="Les deux tués (-9) d'un coup ; absents au-delà du bail.",
        inject=_kill_both,
        restore=containers.revive,
        expectation="Comme le pod tué, plus l'élection d'etcd, qui rend au bail sa durée entière.",
        hold_seconds=PAST_LEASE_SECONDS + ELECTION_SECONDS,
        past_lease=True,
        max_pooled_errors=IN_FLIGHT,
        promotes=True,
    ),
    Fault(
        name="etcd-quorum-perdu",
        title="Quorum d'etcd perdu, puis revenu",
        what="Deux membres sur trois tués (-9), dont le chef, puis relancés.",
        inject=_kill_quorum,
        restore=containers.revive,
        expectation="Le primaire se rétrograde : aucune écriture tant que le quorum manque.",
        hold_seconds=QUORUM_SECONDS,
        promotes=True,
    ),
    Fault(
        name="etcd-membre-efface",
        title="Membre d'etcd effacé, puis revenu au quorum",
        what="Un suiveur tué, ses données effacées ; le quorum l'oublie, puis le reprend.",
        inject=_wipe,
        restore=rejoin.rejoin,
        expectation="Rien ne s'arrête ; le membre recopie ses données, authentification comprise.",
        hold_seconds=MEMBER_SECONDS,
        max_gap_seconds=2,
        max_pooled_errors=IN_FLIGHT,
    ),
)
