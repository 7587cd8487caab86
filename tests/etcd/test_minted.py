"""Certificates that only differ by a name: the name decides."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from citadelle.inventory import ETCD_PEER_NAME
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.etcd import _mint
from tests.etcd._doors import REFUSED, knock


@pytest.mark.parametrize("names", [("etcd1",), ("peer.etcd", "etcd-peer2")])
def test_peer_without_the_peers_name_is_refused(
    topology: Topology, home: Home, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """The right authority is not enough to speak Raft: the name must be there."""
    spec = _mint.client_of("dcs-peer", "", names)
    tls = _mint.context(home, "dcs-peer", tmp_path, spec)
    with pytest.raises(ssl.SSLError, match="BAD_CERTIFICATE"):
        knock(topology, "dcs-peer", tls)


def test_minted_peer_with_the_name_passes_tls(
    topology: Topology, home: Home, tmp_path: Path
) -> None:
    """The counter-proof of the test above: only the name differs, and TLS takes it."""
    spec = _mint.client_of("dcs-peer", "", (ETCD_PEER_NAME,))
    knock(topology, "dcs-peer", _mint.context(home, "dcs-peer", tmp_path, spec))


@pytest.mark.parametrize("plane", ["rest", "pg-client", "dcs-peer"])
@pytest.mark.parametrize("user", ["root", "patroni"])
def test_common_name_of_another_plane_is_no_login(
    topology: Topology, home: Home, tmp_path: Path, plane: str, user: str
) -> None:
    """Etcd takes a CN for a login without password: no other authority may give one."""
    spec = _mint.client_of(plane, user, ("probe",))
    tls = _mint.context(home, "dcs-client", tmp_path, spec)
    with pytest.raises(ssl.SSLError, match=REFUSED):
        knock(topology, "dcs-client", tls)
