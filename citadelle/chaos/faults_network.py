"""Faults of the network: a pod alone, links cut on one side, a slow line."""

from __future__ import annotations

from citadelle.chaos import cuts
from citadelle.chaos.fault import PAST_LEASE_SECONDS, Fault, Field

# Longer than `wal_sender_timeout` (10 s) and two rounds of Patroni, which then gives up on the
# silent standby (config/patroni/patroni.yml.j2).
SILENT_SECONDS = 20.0
# Half of it: commits wait for as long as the primary believes in the silent standby.
GIVEN_UP_SECONDS = 5.0
# Long enough for a few hundred commits over the slow line.
SLOW_SECONDS = 15.0


def _isolate(field: Field) -> None:
    cuts.apply(field, field.primary, cuts.isolation(field.topology))


def _from_etcd(field: Field) -> None:
    cuts.apply(field, field.primary, cuts.from_etcd(field.topology))


def _one_way(field: Field) -> None:
    cuts.apply(field, field.primary, cuts.towards(field.topology, field.standby))


def _slow(field: Field) -> None:
    cuts.slow(field, field.standby, field.primary)


FAULTS = (
    Fault(
        name="pod-isole",
        title="Pod du primaire coupé de tout",
        what="Tous ses paquets jetés, sauf ceux du veilleur qui l'interroge depuis la machine.",
        inject=_isolate,
        restore=cuts.heal,
        expectation="L'ancien primaire n'acquitte plus rien ; le réplica est promu.",
        hold_seconds=PAST_LEASE_SECONDS,
        past_lease=True,
        promotes=True,
        watched=True,
    ),
    Fault(
        name="primaire-sans-etcd",
        title="Primaire coupé d'etcd seulement",
        what="Paquets entre le primaire et les trois membres d'etcd jetés, dans les deux sens.",
        inject=_from_etcd,
        restore=cuts.heal,
        expectation="Il se rétrograde de lui-même avant la fin du bail ; le réplica est promu.",
        hold_seconds=PAST_LEASE_SECONDS,
        past_lease=True,
        promotes=True,
        watched=True,
    ),
    Fault(
        name="replica-sourd",
        title="Primaire coupé du réplica synchrone, dans un sens",
        what="Ce qui va du primaire au réplica synchrone est jeté ; le retour passe.",
        inject=_one_way,
        restore=cuts.heal,
        expectation="Pas de bascule : les commits attendent que Patroni renonce à ce réplica.",
        hold_seconds=SILENT_SECONDS,
        promotes=False,
        min_gap_seconds=GIVEN_UP_SECONDS,
    ),
    Fault(
        name="reseau-lent",
        title="Réseau lent vers le réplica synchrone",
        what="Retard de 100 ms entre eux, par netem ou par une ligne à retard.",
        inject=_slow,
        restore=cuts.heal,
        expectation="Pas de bascule : chaque commit attend le réplica, donc ralentit.",
        hold_seconds=SLOW_SECONDS,
        promotes=False,
    ),
)
