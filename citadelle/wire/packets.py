"""The packets of a capture: classic pcap files as tcpdump writes them, on an Ethernet bridge.

Formats: pcap-savefile(5), RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), RFC 768 (UDP).
Checksums are not looked at: with offloads, what a bridge shows has none yet, and its segments
may have 64 KiB and more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from citadelle.errors import CitadelleError

# Little-endian, microseconds or nanoseconds: seconds per unit of the second time field.
MAGICS = {b"\xd4\xc3\xb2\xa1": 1e-6, b"\x4d\x3c\xb2\xa1": 1e-9}
FILE_HEADER = struct.Struct("<4xHHxxxxxxxxII")
PACKET_HEADER = struct.Struct("<IIII")
LINKTYPE_ETHERNET = 1
# tcpdump's own maximum (MAXIMUM_SNAPLEN): a longer packet is a damaged file.
LONGEST = 262144

ETHERNET_BYTES = 14
IPV4, ARP, IPV6 = b"\x08\x00", b"\x08\x06", b"\x86\xdd"
IPV4_HEADER = struct.Struct(">BxHxxHxBxx4s4s")
IPV6_HEADER = struct.Struct(">4xHBx16s16s")
TCP_HEADER = struct.Struct(">HHIIBB6x")
TCP, UDP = 6, 17
PROTOCOLS = {1: "ICMP", 2: "IGMP", UDP: "UDP", 58: "ICMPv6"}
# Hop-by-hop, routing, destination options: their length is in units of 8 bytes, plus 8.
IPV6_EXTENSIONS = (0, 43, 60)
IPV6_FRAGMENT = 44
# More fragments, or an offset: what is inside cannot be read from one packet.
IPV4_FRAGMENT = 0x3FFF

FIN, SYN, RST, ACK = 1, 2, 4, 16
UNREADABLE, FRAGMENT = "illisible", "fragment"


class Segment(NamedTuple):
    """One TCP segment; addresses are packed (4 or 16 bytes), time is in seconds since 1970."""

    time: float
    source: bytes
    source_port: int
    target: bytes
    target_port: int
    seq: int
    ack: int
    flags: int
    payload: bytes


class Other(NamedTuple):
    """One packet that is not TCP; addresses are empty when it is not IP, ports when not UDP.

    ``group`` tells a frame for several stations (broadcast or multicast); ``payload`` is
    everything after the Ethernet header.
    """

    protocol: str
    source: bytes
    target: bytes
    source_port: int | None
    target_port: int | None
    group: bool
    payload: bytes


def read(path: Path) -> Iterator[Segment | Other]:
    """Yield every packet of a capture.

    Raises:
        CitadelleError: when the file is not such a capture, or is not whole.
    """
    with path.open("rb") as stream:
        unit = _unit(stream.read(24), path)
        while header := stream.read(PACKET_HEADER.size):
            yield decode(*_packet(header, stream, unit, path))


def _unit(header: bytes, path: Path) -> float:
    """Check the file's header and return what its packets' second time field counts."""
    unit = MAGICS.get(header[:4])
    if unit is None or len(header) < 24:  # noqa: PLR2004  # pcap-savefile(5)
        raise CitadelleError(
            f"{path.name} n'est pas une capture pcap petit-boutiste : relancez la capture."
        )
    *version, _, link = FILE_HEADER.unpack(header)
    if version != [2, 4] or link != LINKTYPE_ETHERNET:
        raise CitadelleError(
            f"{path.name} : version {version} ou type de lien {link} inattendus (attendu : 2.4, "
            "Ethernet) : capturez sur le pont du réseau."
        )
    return unit


def _packet(header: bytes, stream: BinaryIO, unit: float, path: Path) -> tuple[float, bytes]:
    """Return one packet's time and bytes."""
    if len(header) == PACKET_HEADER.size:
        seconds, fraction, held, length = PACKET_HEADER.unpack(header)
        if held == length and held <= LONGEST:
            frame = stream.read(held)
            if len(frame) == held:
                return seconds + fraction * unit, frame
    raise CitadelleError(
        f"{path.name} : paquet tronqué ; une capture incomplète ne prouve rien : relancez-la "
        "(tcpdump -s 0) et arrêtez-la proprement."
    )


def decode(time: float, frame: bytes) -> Segment | Other:
    """Return what an Ethernet frame carries."""
    if len(frame) < ETHERNET_BYTES:
        return _other(UNREADABLE, frame)
    kind = frame[12:14]
    if kind == IPV4:
        return _ipv4(time, frame)
    if kind == IPV6:
        return _ipv6(time, frame)
    return _other("ARP" if kind == ARP else f"ethertype 0x{kind.hex()}", frame)


def _other(
    protocol: str,
    frame: bytes,
    ends: tuple[bytes, bytes] = (b"", b""),
    ports: tuple[int | None, int | None] = (None, None),
) -> Other:
    group = bool(frame and frame[0] & 1)
    return Other(protocol, *ends, *ports, group, frame[ETHERNET_BYTES:])


def _ipv4(time: float, frame: bytes) -> Segment | Other:
    if len(frame) < ETHERNET_BYTES + IPV4_HEADER.size:
        return _other(UNREADABLE, frame)
    first, total, fragment, protocol, source, target = IPV4_HEADER.unpack_from(
        frame, ETHERNET_BYTES
    )
    start = ETHERNET_BYTES + (first & 15) * 4
    # Zero: longer than 16 bits can tell (offloads); otherwise Ethernet may have padded it.
    end = ETHERNET_BYTES + total if total else len(frame)
    if fragment & IPV4_FRAGMENT:
        return _other(FRAGMENT, frame, (source, target))
    return _transport(time, frame, (source, target), protocol, (start, end))


def _ipv6(time: float, frame: bytes) -> Segment | Other:
    start = ETHERNET_BYTES + IPV6_HEADER.size
    if len(frame) < start:
        return _other(UNREADABLE, frame)
    length, protocol, source, target = IPV6_HEADER.unpack_from(frame, ETHERNET_BYTES)
    end = start + length if length else len(frame)
    while protocol in IPV6_EXTENSIONS and start + 8 <= len(frame):
        protocol, start = frame[start], start + 8 + 8 * frame[start + 1]
    if protocol == IPV6_FRAGMENT:
        return _other(FRAGMENT, frame, (source, target))
    return _transport(time, frame, (source, target), protocol, (start, end))


def _transport(
    time: float, frame: bytes, ends: tuple[bytes, bytes], protocol: int, span: tuple[int, int]
) -> Segment | Other:
    """Return what lies between two offsets of an IP packet's frame."""
    start, end = span
    header = {TCP: TCP_HEADER.size, UDP: 4}.get(protocol, 0)
    if end > len(frame) or start + header > end:
        return _other(UNREADABLE, frame, ends)
    if protocol == TCP:
        return _tcp(time, frame, ends, span)
    if protocol == UDP:
        return _other("UDP", frame, ends, struct.unpack_from(">HH", frame, start))
    return _other(PROTOCOLS.get(protocol, f"protocole IP {protocol}"), frame, ends)


def _tcp(
    time: float, frame: bytes, ends: tuple[bytes, bytes], span: tuple[int, int]
) -> Segment | Other:
    start, end = span
    source_port, target_port, seq, ack, offset, flags = TCP_HEADER.unpack_from(frame, start)
    data = start + (offset >> 4) * 4
    if not start + TCP_HEADER.size <= data <= end:
        return _other(UNREADABLE, frame, ends)
    return Segment(
        time, ends[0], source_port, ends[1], target_port, seq, ack, flags, frame[data:end]
    )
