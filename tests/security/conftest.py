"""A copy of the cluster that these tests may flood, change and break; its wire was watched.

It comes up, under capture, once the tests that only look at the running cluster are over: beside
them, it would take the time that some of them measure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from citadelle import sandbox
from citadelle.audit.control import Cluster
from citadelle.topology import Topology
from citadelle.verify import REPORTS
from citadelle.wire import prove
from citadelle.wire.verdict import Result
from citadelle.workspace import Home


@dataclass(frozen=True)
class Copy:
    """A cluster of its own, and what was seen on its networks from the first packet on."""

    topology: Topology
    home: Home
    wire: Result


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs the copy last: from then on, two clusters share the machine."""
    items.sort(key=_needs_copy)


def _needs_copy(item: pytest.Item) -> bool:
    return "copy" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def copy() -> Iterator[Copy]:
    """Bring the copy up and judge its wire, for the first test that needs it and all after it."""
    topology, place = sandbox.prepare("security")
    try:
        yield Copy(topology, place, prove.run(topology, place, REPORTS))
    finally:
        sandbox.remove(place)


@pytest.fixture(scope="module")
def cluster(topology: Topology, home: Home) -> Cluster:
    """The running cluster as the audit sees it, each question put once for all of a module."""
    return Cluster(topology, home)
