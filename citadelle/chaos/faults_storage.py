"""Faults of the disk: a replica's data lost, no room for the primary's WAL."""

from __future__ import annotations

from citadelle import accounts
from citadelle.chaos import containers, processes, volumes
from citadelle.chaos.fault import REBUILD_SECONDS, Fault, Field
from citadelle.errors import CitadelleError
from citadelle.topology import UID, Role

# Relative to the volume.
DATA = processes.PGDATA.rpartition("/")[2]
# One byte less than a WAL segment (16 MiB, initdb's default): what is written into existing
# files goes on, as on a full disk, but no segment can be finished or made any more.
FULL_BYTES = 16 * 1024 * 1024 - 1
FULL_SECONDS = 10.0


def _wipe(field: Field) -> None:
    containers.kill(field, field.standby)
    volumes.wipe(field, field.standby, DATA, UID[Role.PG])


def _fill(field: Field) -> None:
    field.limited.add(field.primary)
    processes.limit_files(field.container(field.primary), FULL_BYTES)
    try:
        accounts.run_sql(field.topology, field.primary, "SELECT pg_switch_wal();")
    except CitadelleError:
        return
    raise CitadelleError("Le WAL a pu grandir : le disque plein n'a pas été imité.")


def free(field: Field) -> None:
    """Let PostgreSQL's processes write files of any size again, where they run."""
    for node in sorted(field.limited):
        if containers.state(field, node)["Running"]:
            processes.limit_files(field.container(node), None)


FAULTS = (
    Fault(
        name="replica-efface",
        title="Données du réplica synchrone effacées",
        what="Le réplica synchrone tué, ses données effacées ; il est relancé vide.",
        inject=_wipe,
        restore=containers.revive,
        expectation="Les commits attendent que Patroni renonce à lui ; il se recopie seul.",
        deadline_seconds=REBUILD_SECONDS,
    ),
    Fault(
        name="disque-wal-plein",
        title="Plus de place pour le WAL du primaire",
        what="Taille des fichiers bornée (RLIMIT_FSIZE) : aucun segment de WAL de plus.",
        inject=_fill,
        restore=free,
        expectation="PostgreSQL s'arrête (PANIC) plutôt que de perdre ; le réplica est promu.",
        hold_seconds=FULL_SECONDS,
    ),
)
