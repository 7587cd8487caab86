"""Whether etcd's members must be told of a new peer port before they restart on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import moves, pki
from citadelle.workspace import Home
from tests.unit import factory

FINGERPRINT = "0123456789abcdef"


@pytest.fixture(autouse=True)
def authority(monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose authority has a known fingerprint."""
    monkeypatch.setattr(pki, "fingerprint", lambda _home: FINGERPRINT)


def ran(tmp_path: Path, **values: str) -> Home:
    """Return a home whose last `up` was on these values."""
    home = Home(tmp_path)
    topology = factory.topology()
    known = {
        "CLUSTER_NAME": topology.settings.cluster_name,
        "CA_FINGERPRINT": FINGERPRINT,
        "ETCD_CLIENT_PORT": str(topology.settings.etcd_client_port),
        "ETCD_PEER_PORT": str(topology.settings.etcd_peer_port),
    }
    home.compose_env.parent.mkdir(parents=True)
    lines = (f"{name}={value}\n" for name, value in (known | values).items())
    home.compose_env.write_text("".join(lines))
    return home


def test_never_ran(tmp_path: Path) -> None:
    """A cluster that never ran has nothing to move."""
    assert moves.old_etcd(factory.topology(), Home(tmp_path)) is None


def test_same_port(tmp_path: Path) -> None:
    """The same peer port as last time: nothing to move."""
    assert moves.old_etcd(factory.topology(), ran(tmp_path)) is None


def test_another_port(tmp_path: Path) -> None:
    """Another peer port: etcd is still to be found on both ports of last time."""
    old = moves.old_etcd(
        factory.topology(), ran(tmp_path, ETCD_PEER_PORT="4", ETCD_CLIENT_PORT="5")
    )
    assert old is not None
    assert (old.settings.etcd_peer_port, old.settings.etcd_client_port) == (4, 5)


@pytest.mark.parametrize("name", ["CLUSTER_NAME", "CA_FINGERPRINT"])
def test_another_cluster(tmp_path: Path, name: str) -> None:
    """What another cluster left in this home says nothing of this one."""
    home = ran(tmp_path, ETCD_PEER_PORT="4", **{name: "autre"})
    assert moves.old_etcd(factory.topology(), home) is None
