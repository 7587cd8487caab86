"""What every cluster test starts from: the same topology as the cluster that it looks at.

Unit tests use none of this. ``CITADELLE_HOME`` names the cluster (see citadelle/workspace.py).
"""

from __future__ import annotations

import functools
from collections.abc import Generator

import pluggy
import pytest
import testinfra
from testinfra.host import Host

from citadelle import settings, status
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.topology import Topology
from citadelle.workspace import Home
from citadelle.workspace import home as current_home


@functools.cache
def _secrets() -> dict[str, str]:
    """The secrets of the cluster under test by value; none when there is no ``.env``."""
    try:
        found = settings.load(current_home().env_file).secrets()
    except CitadelleError:
        return {}
    return {secret.reveal(): name for name, secret in found.items()}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Keep secrets out of what a failure shows, on the screen and in reports."""
    report = (yield).get_result()
    if not report.failed or report.longrepr is None:
        return
    shown = masked = str(report.longrepr)
    for value, name in _secrets().items():
        masked = masked.replace(value, f"[{name}]")
    if masked != shown:
        report.longrepr = masked


@pytest.fixture(scope="session")
def home() -> Home:
    """The files of the cluster under test."""
    return current_home()


@pytest.fixture(scope="session")
def topology(home: Home) -> Topology:
    """The cluster under test; a session without a running one stops at once, saying so."""
    try:
        found = Topology(settings.load(home.env_file))
        states = status.containers(found, home)
    except CitadelleError as error:
        pytest.exit(str(error), returncode=2)
    if "absent" in states.values():
        pytest.exit("Aucun cluster en marche : lancez « invoke certs up ».", returncode=2)
    return found


@pytest.fixture
def leader(topology: Topology, home: Home) -> str:
    """The name of the primary at this moment."""
    name = Patroni(topology, home).leader()
    assert name is not None
    return name


class Containers:
    """Testinfra hosts, by the name that the topology gives a container."""

    def __init__(self, topology: Topology) -> None:
        self.cluster = topology.settings.cluster_name

    def __call__(self, name: str) -> Host:
        """Return the container ``name`` (``etcd1``, ``pg1-gw``, ...) as a testinfra host."""
        return testinfra.get_host(f"docker://{self.cluster}-{name}")


@pytest.fixture(scope="session")
def container(topology: Topology) -> Containers:
    """Give access to the inside of each container."""
    return Containers(topology)
