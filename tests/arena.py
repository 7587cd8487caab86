"""A cluster of its own for tests that stop, cut and kill what they like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from citadelle import lifecycle, sandbox, settings
from citadelle.topology import Topology
from citadelle.workspace import Home


@dataclass(frozen=True)
class Arena:
    """A running cluster that nobody else uses."""

    topology: Topology
    home: Home

    def reread(self) -> Arena:
        """Return the same cluster as its ``.env`` describes it now."""
        return Arena(Topology(settings.load(self.home.env_file)), self.home)


@contextmanager
def raised(purpose: str, **variables: str) -> Iterator[Arena]:
    """Bring one up with these variables of ``.env``, and remove it whatever happens."""
    topology, place = sandbox.prepare(purpose, **variables)
    try:
        lifecycle.up(topology, place)
        yield Arena(topology, place)
    finally:
        sandbox.remove(place)
