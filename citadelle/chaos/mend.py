"""Everything that any fault may have done, undone: after a crash of the task itself.

Nothing is remembered from the run that died: each hand looks everywhere, and leaves alone what
is as it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from citadelle.chaos import containers, cuts, faults_storage, rejoin
from citadelle.chaos.fault import Field
from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home


def everything(topology: Topology, home: Home) -> list[str]:
    """Heal networks, wake or start containers, bring etcd's members back, free the disks.

    Goes on past what fails, and returns it in French; empty when all is undone.
    """
    problems = []
    for undo, field in _places(topology, home):
        try:
            undo(field)
        except CitadelleError as error:
            problems.append(str(error))
    return problems


def _places(topology: Topology, home: Home) -> Iterator[tuple[Callable[[Field], None], Field]]:
    """Yield each undoing with one place to look at, in an order that lets the next succeed."""
    for node in (*ETCD, *PG, *HAPROXY, *PGBOUNCER):
        field = Field(topology, home)
        field.cut = {node}
        yield cuts.heal, field
    for name in containers.ORDER:
        field = Field(topology, home)
        field.touched, field.frozen = {name}, {name} & set(PG)
        yield containers.revive, field
    for node in ETCD:
        field = Field(topology, home)
        field.wiped = {node}
        yield rejoin.rejoin, field
    for node in PG:
        field = Field(topology, home)
        field.limited = {node}
        yield faults_storage.free, field
