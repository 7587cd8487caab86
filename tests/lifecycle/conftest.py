"""A cluster of the lifecycle tests' own: they interrupt, change and destroy it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from citadelle import sandbox
from citadelle.topology import Topology
from citadelle.workspace import Home


@pytest.fixture(scope="session")
def sandboxed() -> Iterator[tuple[Topology, Home]]:
    """Return a home with settings and certificates; nothing is started yet."""
    topology, place = sandbox.prepare("lifecycle")
    yield topology, place
    sandbox.remove(place)
