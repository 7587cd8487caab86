"""Certificates that only differ by a name: the name decides.

No other authority's certificate passes, whatever its names: tests/security/test_etcd_names.py.
"""

from __future__ import annotations

import ssl

import pytest

from citadelle.inventory import ETCD_PEER_NAME
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import minted, tls

PEERS = tls.named("etcd-peer")


def _shown(home: Home, *names: str) -> ssl.SSLContext:
    """Return what shows a certificate of the peers' own authority, of these names."""
    spec = minted.client("dcs-peer", "", names, server=True)
    return minted.context(home, "dcs-peer", minted.issued(home, spec))


@pytest.mark.parametrize("names", [("etcd1",), ("peer.etcd", "etcd-peer2")])
def test_peer_without_the_peers_name_is_refused(
    topology: Topology, home: Home, names: tuple[str, ...]
) -> None:
    """The right authority is not enough to speak Raft: the name must be there."""
    place = PEERS.places(topology)[0]
    assert tls.judgement(_shown(home, *names), PEERS, place) == "BAD_CERTIFICATE"


def test_minted_peer_with_the_name_passes_tls(topology: Topology, home: Home) -> None:
    """The counter-proof of the test above: only the name differs, and TLS takes it."""
    assert tls.passes(_shown(home, ETCD_PEER_NAME), PEERS, PEERS.places(topology)[0])
