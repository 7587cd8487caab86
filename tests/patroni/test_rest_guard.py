"""The REST guard (8008): whose certificate passes TLS, and the password behind it."""

from __future__ import annotations

import ssl

import httpx
import pytest

from citadelle import clients
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.etcd import _probes as tls_probes
from tests.patroni import _probes

NODE = PG[0]


def _knock(topology: Topology, tls: ssl.SSLContext, node: str = NODE) -> None:
    port = topology.settings.patroni_rest_port
    tls_probes.handshake(tls, topology.address(node, "pg"), port, node)


@pytest.mark.parametrize("node", PG)
def test_no_certificate_is_refused(topology: Topology, home: Home, node: str) -> None:
    """Patroni asks no password for reads: the certificate is what protects them."""
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        _knock(topology, clients.context(home, "rest", None), node)


@pytest.mark.parametrize("plane", [p for p in tls_probes.EXAMPLES if p != "rest"])
def test_other_plane_is_refused(topology: Topology, home: Home, plane: str) -> None:
    """A certificate stolen from another plane opens nothing here."""
    shown = home.pki / plane / tls_probes.EXAMPLES[plane]
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        _knock(topology, tls_probes.context(home, "rest", shown))


def test_server_certificate_is_no_client(topology: Topology, home: Home) -> None:
    """A server's certificate of this very plane does not make a client."""
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_CERTIFICATE"):
        _knock(topology, _probes.rest(home, f"loopback.{NODE}"))


def test_tls_1_2_is_refused(topology: Topology, home: Home) -> None:
    """All clients are ours: nothing old to spare, no downgrade."""
    tls = _probes.rest(home, "operator")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        _knock(topology, tls)


def test_clear_text_is_refused(topology: Topology) -> None:
    """A request in clear gets no HTTP answer: the connection ends."""
    address, port = topology.address(NODE, "pg"), topology.settings.patroni_rest_port
    try:
        line = tls_probes.first_line(None, address, port, NODE, "/health")
    except ConnectionResetError:
        line = ""
    assert "HTTP" not in line


@pytest.mark.parametrize("password", [None, "wrong-password-of-a-test"])
def test_operator_needs_the_password(topology: Topology, home: Home, password: str | None) -> None:
    """The operator's stolen key alone reconfigures nothing."""
    user = topology.settings.patroni_rest_user
    answer = clients.request(
        _probes.rest(home, "operator"),
        "PATCH",
        topology.address(NODE, "pg"),
        topology.settings.patroni_rest_port,
        "/config",
        server_name=NODE,
        body={},
        auth=(user, password) if password else None,
    )
    assert answer.status_code == httpx.codes.UNAUTHORIZED
