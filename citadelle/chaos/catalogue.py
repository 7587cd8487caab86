"""Every fault, in the order of the report; and those that fit in every verification."""

from __future__ import annotations

from citadelle.chaos import (
    faults_etcd,
    faults_network,
    faults_planned,
    faults_pods,
    faults_processes,
    faults_proxies,
    faults_storage,
)
from citadelle.chaos.fault import Fault
from citadelle.dr import drills
from citadelle.errors import CitadelleError

FAULTS: tuple[Fault, ...] = (
    *faults_planned.FAULTS,
    *faults_processes.FAULTS,
    *faults_pods.FAULTS,
    *faults_network.FAULTS,
    *faults_etcd.FAULTS,
    *faults_proxies.FAULTS,
    *faults_storage.FAULTS,
    *drills.FAULTS,
)
# One of each kind, all together in less than ten minutes; the zombie and the partition are the
# dangerous ones, the others the frequent ones. What the lost quorum shows too is not there: a
# dead etcd member (it kills two), a primary without etcd (it has to demote itself); nor a killed
# Patroni, whose lease ends as a frozen pod's does.
SHORT = (
    "bascule-planifiee",
    "postgres-tue",
    "pod-gele",
    "pod-arrete",
    "pod-isole",
    "etcd-quorum-perdu",
    "repartiteur-tue",
    "pgbouncer-tue",
    "passerelle-tuee",
)


def named(*names: str) -> tuple[Fault, ...]:
    """Return the faults of these names, in the order of the report.

    Raises:
        CitadelleError: when a name is no fault's.
    """
    known = [fault.name for fault in FAULTS]
    if unknown := [name for name in names if name not in known]:
        raise CitadelleError(
            f"Panne inconnue : {', '.join(unknown)} (« invoke chaos.list » les montre)."
        )
    return tuple(fault for fault in FAULTS if fault.name in names)
