"""The operator's certificates under the audit's eyes: what is spoiled turns its control red."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from citadelle.audit import certificates
from citadelle.audit.control import Cluster
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.unit.pki_home import CLUSTER, copy, copy_pair

SHORTER = Topology(dataclasses.replace(CLUSTER.settings, cert_days=10))


def failing(home: Home, topology: Topology = CLUSTER) -> set[str]:
    """Return the controls that fail on a home."""
    cluster = Cluster(topology, home)
    return {c.identifier for c in certificates.CONTROLS if not c.check(cluster).ok}


@pytest.fixture
def home(ready_home: Home, tmp_path: Path) -> Home:
    """A copy of a good home, to spoil."""
    shutil.copytree(ready_home.path, tmp_path / "home")
    return Home(tmp_path / "home")


def test_good_home_passes(ready_home: Home) -> None:
    """The failures below are those of one change."""
    assert failing(ready_home) == set()


@pytest.mark.parametrize(
    ("spoil", "control"),
    [
        (lambda home: copy_pair(home, "rest/operator", "rest/pg1"), "CE-01"),
        (lambda home: (home.pki / "server" / "pg1.key").chmod(0o644), "CE-04"),
        (lambda home: (home.pki / "server").chmod(0o755), "CE-04"),
        (lambda home: copy_pair(home, "rest/ca", "tunnel/ca"), "CE-05"),
        (lambda home: copy(home, "rest/pg1.crt", "tunnel/pg1.crt"), "CE-06"),
        (lambda home: copy_pair(home, "rest/operator", "dcs-client/operator"), "CE-07"),
    ],
)
def test_spoiled_home_is_seen(home: Home, spoil: Callable[[Home], None], control: str) -> None:
    """A key left open, a certificate in another's place, one authority for two planes."""
    spoil(home)
    assert control in failing(home)


def test_longer_validity_than_asked_is_seen(ready_home: Home) -> None:
    """CERT_DAYS was lowered, the certificates were not renewed."""
    assert failing(ready_home, SHORTER) == {"CE-03"}
