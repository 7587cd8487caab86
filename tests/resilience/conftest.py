"""The arena: a cluster of its own, where these tests stop, cut and kill what they like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from citadelle import lifecycle, sandbox, settings
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.operator import change_env


@dataclass(frozen=True)
class Arena:
    """A running cluster that nobody else uses."""

    topology: Topology
    home: Home


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    """Bring it up for the session, and remove it whatever happens."""
    topology, place = sandbox.prepare("chaos")
    change_env(place, FENCER="oui")
    topology = Topology(settings.load(place.env_file))
    try:
        lifecycle.up(topology, place)
        yield Arena(topology, place)
    finally:
        sandbox.remove(place)
