"""What a control is: a claim, the cluster that it is checked on, and what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from citadelle.topology import Topology
from citadelle.workspace import Home


@dataclass(frozen=True)
class Cluster:
    """The cluster that a control looks at."""

    topology: Topology
    home: Home


@dataclass(frozen=True)
class Finding:
    """What a check saw: in French, for an auditor; never a secret's value.

    ``command`` is how the auditor sees it himself; ``seen`` is at most a few lines.
    """

    ok: bool
    seen: str
    command: str


@dataclass(frozen=True)
class Control:
    """One claim about the cluster.

    ``identifier`` is ours and stable (``PG-03``); ``references`` name public lists that ask for
    the same thing, with the section's number, only where it was checked.
    """

    identifier: str
    title: str
    references: tuple[str, ...]
    check: Callable[[Cluster], Finding]
