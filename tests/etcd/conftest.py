"""The users of etcd."""

from __future__ import annotations

import pytest

from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import etcd
from tests.probes.etcd import Caller


@pytest.fixture(scope="session")
def nobody(topology: Topology, home: Home) -> Caller:
    """A good certificate, no user."""
    return etcd.nobody(topology, home)


@pytest.fixture(scope="session")
def root(topology: Topology, home: Home) -> Caller:
    """The administrator."""
    return etcd.root(topology, home)


@pytest.fixture(scope="session")
def patroni(topology: Topology, home: Home) -> Caller:
    """What Patroni is."""
    return etcd.patroni(topology, home)
