"""The gateways' tunnel port: only a load balancer's certificate opens it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.haproxy import _certificates, _wire

# An outside client, as a load balancer would announce him (RFC 5737, documentation).
OUTSIDE = _wire.claim("203.0.113.7") + _wire.SSL_REQUEST
# Of each plane, the certificate that most resembles a load balancer's, and the tunnel's server.
STRANGERS = (
    "dcs-peer/etcd1",
    "dcs-client/operator",
    "dcs-client/patroni.pg1",
    "rest/haproxy1",
    "rest/operator",
    "server/haproxy1",
    "pg-client/pgbouncer1",
    "pg-client/replicator.pg1",
    "tunnel/pg1",
)
# gateway: timeout client-hs 5s; the rest is a slow machine.
HANDSHAKE_CUT_SECONDS = 8.0


@pytest.fixture(params=PG)
def pod(request: pytest.FixtureRequest) -> str:
    """Each pod in turn."""
    return str(request.param)


@pytest.fixture
def place(topology: Topology, pod: str) -> tuple[str, int]:
    """Where the pod's gateway listens to the load balancers."""
    return str(topology.address(pod, "pg")), topology.settings.gateway_port


@pytest.mark.parametrize("balancer", HAPROXY)
def test_load_balancer_enters(home: Home, pod: str, place: tuple[str, int], balancer: str) -> None:
    """The refusals below are not a dead port."""
    tls = _certificates.context(home, "tunnel", home.pki / "tunnel" / balancer)
    assert _wire.answer(*place, OUTSIDE, tls, pod) == b"S"


def test_no_certificate_is_refused(home: Home, pod: str, place: tuple[str, int]) -> None:
    """A machine of the pg network cannot announce addresses to PostgreSQL."""
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        _wire.judged(*place, _certificates.context(home, "tunnel", None), pod)


@pytest.mark.parametrize("stranger", STRANGERS)
def test_certificate_of_another_use_is_refused(
    home: Home, pod: str, place: tuple[str, int], stranger: str
) -> None:
    """A key stolen elsewhere in the cluster, even a load balancer's own for checks, is no use."""
    tls = _certificates.context(home, "tunnel", home.pki / stranger)
    with pytest.raises(ssl.SSLError, match=r"ALERT_UNKNOWN_CA|UNSUPPORTED_CERTIFICATE"):
        _wire.judged(*place, tls, pod)


@pytest.mark.parametrize("name", ["pgbouncer1", "pg1", "haproxy", "haproxy11", "HAPROXY1", ""])
def test_certificate_of_another_name_is_refused(
    home: Home, pod: str, place: tuple[str, int], tmp_path: Path, name: str
) -> None:
    """The right authority is not enough: only the two load balancers announce addresses."""
    minted = _certificates.mint(home, tmp_path, "tunnel", name)
    tls = _certificates.context(home, "tunnel", minted)
    assert _wire.answer(*place, OUTSIDE, tls, pod) == b""


def test_minted_certificate_of_a_load_balancer_enters(
    home: Home, pod: str, place: tuple[str, int], tmp_path: Path
) -> None:
    """The refusals above come from the name alone."""
    minted = _certificates.mint(home, tmp_path, "tunnel", "haproxy1")
    tls = _certificates.context(home, "tunnel", minted)
    assert _wire.answer(*place, OUTSIDE, tls, pod) == b"S"


@pytest.mark.parametrize("payload", [_wire.SSL_REQUEST, OUTSIDE, b"GET / HTTP/1.1\r\n\r\n"])
def test_clear_text_is_refused(place: tuple[str, int], payload: bytes) -> None:
    """Nothing of a client's session crosses the pg network without the tunnel."""
    assert _wire.answer(*place, payload) == b""


def test_tls_1_2_is_refused(home: Home, pod: str, place: tuple[str, int]) -> None:
    """No downgrade to weaker suites, not even for a load balancer."""
    tls = _certificates.context(home, "tunnel", home.pki / "tunnel" / "haproxy1")
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        _wire.judged(*place, tls, pod)


def test_unfinished_handshake_is_cut(topology: Topology) -> None:
    """Peers that prove nothing would fill a gateway's table (all pods wait together)."""
    port = topology.settings.gateway_port
    with contextlib.ExitStack() as stack:
        opened = [socket.create_connection((str(topology.address(pod, "pg")), port)) for pod in PG]
        for client in opened:
            stack.enter_context(client).settimeout(HANDSHAKE_CUT_SECONDS)
        assert [client.recv(1) for client in opened] == [b""] * len(PG)
