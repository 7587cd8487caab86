"""What is not TCP is counted apart; nothing of it leaves, and nothing of it carries a canary."""

from __future__ import annotations

import pytest

from citadelle.wire import packets
from citadelle.wire.needles import PROXY_V2, Needles
from citadelle.wire.neighbours import Neighbour, Neighbourhood
from citadelle.wire.packets import Other
from tests.unit import factory, pcaps

CLUSTER = factory.topology()
NETWORK = "front"
A, B = (pcaps.address(CLUSTER, node, NETWORK) for node in ("haproxy1", "pgbouncer1"))
OUTSIDE = "192.0.2.1"


def seen(*frames: bytes) -> list[Neighbour]:
    """Return what these frames are counted as."""
    around = Neighbourhood(CLUSTER, NETWORK, Needles({"le secret": b"valeur-secrete"}))
    for frame in frames:
        packet = packets.decode(0.0, frame)
        assert isinstance(packet, Other)
        around.feed(packet)
    return around.rows()


def problem(frame: bytes) -> str:
    """Return what is wrong with one frame."""
    (row,) = seen(frame)
    return row.problem


@pytest.mark.parametrize(
    ("frame", "protocol"),
    [
        (pcaps.ethernet(0x0806, bytes(28)), "ARP"),
        (pcaps.udp(A, B, 53), "DNS"),
        (pcaps.udp(B, A, 40000, source_port=53), "DNS"),
        (pcaps.ip(A, B, 1, bytes(8)), "ICMP"),
        (pcaps.ip(A, "224.0.0.22", 2, bytes(8)), "IGMP"),
        (pcaps.ip("fe80::1", "ff02::2", 58, bytes(8)), "ICMPv6"),
        (pcaps.ip("::", "ff02::16", 58, bytes(8)), "ICMPv6"),
        (pcaps.ip("fe80::1", "fe80::2", 58, bytes(8)), "ICMPv6"),
        (pcaps.udp(A, "224.0.0.251", 5353), "UDP 5353"),
        (pcaps.ethernet(0x88CC, bytes(28), group=True), "ethertype 0x88cc"),
    ],
    ids=[
        "arp",
        "question",
        "reponse",
        "icmp",
        "igmp",
        "routeur",
        "mld",
        "voisin",
        "mdns",
        "lldp",
    ],
)
def test_neighbourhood_is_listed(frame: bytes, protocol: str) -> None:
    """Networks need it: it is counted, and it is no fault."""
    (row,) = seen(frame)

    assert (row.network, row.protocol, row.packets, row.problem) == (NETWORK, protocol, 1, "")


def test_packets_are_counted_together() -> None:
    """One row per protocol, not per packet."""
    (row,) = seen(pcaps.udp(A, B, 53, b"un"), pcaps.udp(A, B, 53, b"deux"))

    assert (row.packets, row.size) == (2, 28 + 2 + 28 + 4)


@pytest.mark.parametrize(
    "frame",
    [
        pcaps.udp(A, OUTSIDE, 53),
        pcaps.udp(A, OUTSIDE, 4433),
        pcaps.ip(A, OUTSIDE, 1, bytes(8)),
        pcaps.udp(A, "169.254.169.254", 80),
        pcaps.udp(A, pcaps.address(CLUSTER, "pg1", "pg"), 53),
        pcaps.ip("fe80::1", "2001:db8::1", 58, bytes(8)),
    ],
    ids=["dns", "udp", "icmp", "metadonnees", "autre-reseau", "ipv6"],
)
def test_what_leaves_is_found(frame: bytes) -> None:
    """A name resolved outside is how data leaves a network that has no other way out."""
    assert problem(frame).startswith("sort du réseau")


def test_what_comes_from_elsewhere_is_found() -> None:
    """Nobody outside has business with a node but the clients of published TCP ports."""
    assert problem(pcaps.udp(OUTSIDE, A, 53)).startswith("vient d'un autre réseau")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pcaps.udp(A, B, 4433), "hors de la table des flux"),
        (pcaps.ip(A, B, 47, bytes(8)), "hors de la table des flux"),
        (pcaps.ethernet(0x8100, bytes(28)), "protocole inattendu"),
        (pcaps.ip(A, B, 6, bytes(40), fragment=1), "fragment"),
        (pcaps.ip(A, B, 6, bytes(3)), "illisible"),
    ],
    ids=["quic", "gre", "vlan", "fragment", "tcp-coupe"],
)
def test_other_conversation_is_found(frame: bytes, reason: str) -> None:
    """The flow table knows TCP only: two machines that talk otherwise are not in it."""
    assert reason in problem(frame)


def test_canary_is_found() -> None:
    """Also in what is allowed: a name asked of a resolver may carry a secret."""
    assert problem(pcaps.udp(A, B, 53, b"x.valeur-secrete.test")) == "canari lisible (le secret)"


def test_proxy_header_is_found() -> None:
    """PROXY over UDP is as forged as over TCP."""
    assert "PROXY v2" in problem(pcaps.udp(A, B, 53, PROXY_V2))
