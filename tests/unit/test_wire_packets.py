"""A capture is read packet by packet; one that is not whole, or not a capture, is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from citadelle.errors import CitadelleError
from citadelle.wire import packets
from citadelle.wire.packets import Other, Segment
from tests.unit import pcaps

A, B = "10.0.0.1", "10.0.0.2"
SEGMENT = pcaps.Talk(A, B, 443).send(True, packets.ACK, b"charge").frames[0]


def read(tmp_path: Path, *frames: bytes, magic: bytes = pcaps.MICROSECONDS) -> list[object]:
    """Return what a capture of these frames holds."""
    return list(packets.read(pcaps.write(tmp_path / "c.pcap", list(frames), magic)))


def other(frame: bytes) -> Other:
    """Return a frame that is not TCP, decoded."""
    found = packets.decode(0.0, frame)
    assert isinstance(found, Other)
    return found


@pytest.mark.parametrize("magic", packets.MAGICS)
def test_segment_is_read(tmp_path: Path, magic: bytes) -> None:
    """Addresses, ports, sequence number and payload, whatever the unit of time."""
    (found,) = read(tmp_path, SEGMENT, magic=magic)

    assert isinstance(found, Segment)
    assert (found.source_port, found.target_port) == (pcaps.EPHEMERAL, 443)
    assert (found.time, found.seq, found.payload) == (1000.0, 1000, b"charge")


def test_ipv6_segment_is_read() -> None:
    """A TCP stream over IPv6 is a stream like any other: it cannot hide among neighbours."""
    frame = pcaps.Talk("fe80::1", "fe80::2", 443).send(True, packets.ACK, b"six").frames[0]
    found = packets.decode(0.0, frame)

    assert isinstance(found, Segment)
    assert found.payload == b"six"


def test_ipv6_extensions_are_passed() -> None:
    """MLD reports carry a hop-by-hop option; so could anything else."""
    body = bytes((58, 0, 0, 0, 0, 0, 0, 0)) + b"\x8f\0\0\0"

    assert other(pcaps.ip("fe80::1", "ff02::16", 0, body)).protocol == "ICMPv6"


def test_ethernet_padding_is_no_payload() -> None:
    """Short frames are filled up to 60 bytes: what follows the IP packet was not sent by TCP."""
    found = packets.decode(0.0, SEGMENT + bytes(20))

    assert isinstance(found, Segment)
    assert found.payload == b"charge"


def test_length_zero_means_to_the_end() -> None:
    """A segment that offloads made longer than 64 KiB has no length in its IP header."""
    frame = pcaps.Talk(A, B, 443).send(True, packets.ACK, bytes(65000)).frames[0]
    found = packets.decode(0.0, frame[:16] + b"\0\0" + frame[18:] + bytes(40000))

    assert isinstance(found, Segment)
    assert len(found.payload) == 105000


@pytest.mark.parametrize(
    ("frame", "protocol"),
    [
        (pcaps.ethernet(0x0806, bytes(28), group=True), "ARP"),
        (pcaps.ethernet(0x88CC, bytes(28), group=True), "ethertype 0x88cc"),
        (pcaps.ip(A, B, 1, bytes(8)), "ICMP"),
        (pcaps.ip(A, B, 47, bytes(8)), "protocole IP 47"),
        (pcaps.udp(A, B, 53), "UDP"),
        (pcaps.ip(A, B, 6, bytes(40), fragment=0x2000), packets.FRAGMENT),
        (pcaps.ip(A, B, 6, bytes(10)), packets.UNREADABLE),
        (b"court", packets.UNREADABLE),
        (SEGMENT[:40], packets.UNREADABLE),
    ],
    ids=["arp", "lldp", "icmp", "gre", "udp", "fragment", "tcp-court", "court", "coupe"],
)
def test_protocol_is_named(frame: bytes, protocol: str) -> None:
    """What is not TCP, or cannot be read as TCP, is told apart and never dropped."""
    assert other(frame).protocol == protocol


def header(magic: bytes = pcaps.MICROSECONDS, version: int = 2, link: int = 1) -> bytes:
    """Return a capture's header."""
    return magic + struct.pack("<HHiIII", version, 4, 0, 0, 262144, link)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "n'est pas une capture pcap"),
        (header(b"\xa1\xb2\xc3\xd4"), "n'est pas une capture pcap"),
        (header(b"\x0a\x0d\x0d\x0a"), "n'est pas une capture pcap"),
        (header(link=113), "type de lien 113"),
        (header(version=3), "version"),
        (header() + b"court", "paquet tronqué"),
        (header() + struct.pack("<IIII", 0, 0, 60, 60) + bytes(59), "paquet tronqué"),
        (header() + struct.pack("<IIII", 0, 0, 60, 1514) + bytes(60), "paquet tronqué"),
    ],
    ids=["vide", "gros-boutiste", "pcapng", "any", "version", "en-tete", "coupe", "snaplen"],
)
def test_other_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """A proof over a capture that lacks bytes would prove nothing."""
    path = tmp_path / "c.pcap"
    path.write_bytes(content)

    with pytest.raises(CitadelleError, match=reason):
        list(packets.read(path))


def test_capture_without_packets_is_empty(tmp_path: Path) -> None:
    """Silence is a result: what it lacks is judged later."""
    assert read(tmp_path) == []
