"""A copy of the cluster that these tests may flood, change and break; its wire was watched.

It comes up, under capture, while the tests that only look at the running cluster go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    """Put what needs the copy last: the copy needs a minute to come."""
    items.sort(key=_needs_copy)


def _needs_copy(item: pytest.Item) -> bool:
    return "copy" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def coming(request: pytest.FixtureRequest) -> Iterator[Future[Copy] | None]:
    """Begin to bring the copy up as soon as the session starts, if any test needs it."""
    if not any(_needs_copy(item) for item in request.session.items):
        yield None
        return
    topology, place = sandbox.prepare("security")
    try:
        with ThreadPoolExecutor(max_workers=1) as background:
            yield background.submit(
                lambda: Copy(topology, place, prove.run(topology, place, REPORTS))
            )
    finally:
        sandbox.remove(place)


@pytest.fixture(scope="session")
def copy(coming: Future[Copy] | None) -> Copy:
    """Wait until the copy is up and its wire is judged."""
    assert coming is not None
    return coming.result()


@pytest.fixture(scope="module")
def cluster(topology: Topology, home: Home) -> Cluster:
    """The running cluster as the audit sees it, each question put once for all of a module."""
    return Cluster(topology, home)
