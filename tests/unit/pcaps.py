"""Captures made by hand: a conversation's packets as a bridge would show them, TLS bytes included.

``Talk`` keeps the sequence numbers; tests drop, double or reorder its frames as they please.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from citadelle.topology import Topology
from citadelle.wire import hello
from citadelle.wire.packets import ACK, FIN, RST, SYN
from citadelle.wire.records import ALERT, APPLICATION, FINISHED_SIZES, HANDSHAKE

MICROSECONDS = b"\xd4\xc3\xb2\xa1"
WRAP = 1 << 32
# A client port that no flow of factory's settings uses.
EPHEMERAL = 50000


def write(path: Path, frames: list[bytes], magic: bytes = MICROSECONDS, link: int = 1) -> Path:
    """Write a pcap file whose packets come one second apart, from the second 1000 on."""
    header = magic + struct.pack("<HHiIII", 2, 4, 0, 0, 262144, link)
    packets = (
        struct.pack("<IIII", 1000 + i, 0, len(frame), len(frame)) + frame
        for i, frame in enumerate(frames)
    )
    path.write_bytes(header + b"".join(packets))
    return path


def ethernet(kind: int, body: bytes, group: bool = False) -> bytes:
    """Return an Ethernet frame."""
    return (b"\xff" if group else b"\x02") * 6 + b"\x02" * 6 + struct.pack(">H", kind) + body


def ip(source: str, target: str, protocol: int, body: bytes, fragment: int = 0) -> bytes:
    """Return an IPv4 or IPv6 packet in its frame."""
    ends = ip_address(source), ip_address(target)
    packed = ends[0].packed + ends[1].packed
    group = ends[1].is_multicast
    if isinstance(ends[0], IPv6Address):
        head = struct.pack(">IHBB", 6 << 28, len(body), protocol, 64)
        return ethernet(0x86DD, head + packed + body, group)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, fragment, 64, protocol, 0)
    return ethernet(0x0800, head + packed + body, group)


def udp(source: str, target: str, port: int, data: bytes = b"", source_port: int = 40000) -> bytes:
    """Return a UDP datagram in its frame."""
    return ip(source, target, 17, struct.pack(">HHHH", source_port, port, 8 + len(data), 0) + data)


@dataclass
class Talk:
    """A TCP connection; ``frames`` are its packets so far."""

    client: str
    server: str
    port: int
    client_port: int = EPHEMERAL
    up_seq: int = 1000
    down_seq: int = 9000
    frames: list[bytes] = field(default_factory=list)

    def send(self, from_client: bool, flags: int, data: bytes = b"") -> Talk:
        """Add one segment and advance its sender's sequence number."""
        seq, ack = (self.up_seq, self.down_seq) if from_client else (self.down_seq, self.up_seq)
        ports = (self.client_port, self.port) if from_client else (self.port, self.client_port)
        ends = (self.client, self.server) if from_client else (self.server, self.client)
        head = struct.pack(
            ">HHIIBBHHH", *ports, seq, ack if flags & ACK else 0, 5 << 4, flags, 65535, 0, 0
        )
        self.frames.append(ip(*ends, 6, head + data))
        after = (seq + len(data) + bool(flags & (SYN | FIN))) % WRAP
        if from_client:
            self.up_seq = after
        else:
            self.down_seq = after
        return self

    def open(self) -> Talk:
        """Add the three packets that open the connection."""
        return self.send(True, SYN).send(False, SYN | ACK).send(True, ACK)

    def up(self, data: bytes) -> Talk:
        """Add a segment from the client, and its acknowledgement."""
        return self.send(True, ACK, data).send(False, ACK)

    def down(self, data: bytes) -> Talk:
        """Add a segment from the server, and its acknowledgement."""
        return self.send(False, ACK, data).send(True, ACK)

    def close(self) -> Talk:
        """Add the packets that close the connection."""
        return self.send(True, FIN | ACK).send(False, FIN | ACK).send(True, ACK)

    def refuse(self) -> Talk:
        """Add a SYN and the refusal."""
        return self.send(True, SYN).send(False, RST | ACK)

    def tls(self, version: int = hello.TLS_1_3, suite: int = 0x1301) -> Talk:
        """Add the opening, a handshake and a little application data each way."""
        self.open().up(client_hello()).down(server_hello(version, suite) + finished())
        return self.up(finished() + data()).down(data())

    def postgres(self) -> Talk:
        """The same behind PostgreSQL's negotiation."""
        self.open().up(bytes.fromhex("0000000804d2162f")).down(b"S")
        self.up(client_hello()).down(server_hello() + finished())
        return self.up(finished() + data()).down(data())


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    """Return a TLS record."""
    return struct.pack(">BHH", kind, version, len(body)) + body


def data(size: int = 100) -> bytes:
    """Return a record of application data; its content looks like nothing."""
    return record(APPLICATION, bytes((7 * i) % 251 for i in range(size)))


def finished() -> bytes:
    """Return the end of a handshake under keys: it looks like application data."""
    return data(FINISHED_SIZES[0])


def alert(number: int) -> bytes:
    """Return a fatal alert in clear."""
    return record(ALERT, bytes((2, number)))


def message(kind: int, body: bytes) -> bytes:
    """Return a record that holds one handshake message."""
    return record(HANDSHAKE, bytes([kind]) + len(body).to_bytes(3) + body)


def _extension(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value


def client_hello(sni: str = "pg1") -> bytes:
    """Return a ClientHello that offers TLS 1.3 and 1.2."""
    name = sni.encode()
    names = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name
    block = _extension(hello.SERVER_NAME, names)
    block += _extension(hello.SUPPORTED_VERSIONS, b"\x04\x03\x04\x03\x03")
    suites = struct.pack(">HHH", 4, 0x1301, 0xC02B)
    body = b"\x03\x03" + b"r" * 32 + b"\0" + suites + b"\x01\0" + struct.pack(">H", len(block))
    return message(hello.CLIENT_HELLO, body + block)


def server_hello(version: int = hello.TLS_1_3, suite: int = 0x1301, retry: bool = False) -> bytes:
    """Return a ServerHello; below TLS 1.3 it has no extension at all."""
    random = hello.RETRY if retry else b"R" * 32
    legacy = min(version, 0x0303)
    body = struct.pack(">H", legacy) + random + b"\0" + struct.pack(">HB", suite, 0)
    if version > legacy:
        block = _extension(hello.SUPPORTED_VERSIONS, struct.pack(">H", version))
        body += struct.pack(">H", len(block)) + block
    return message(hello.SERVER_HELLO, body)


def address(topology: Topology, node: str, network: str) -> str:
    """Return a node's address; ``machine`` is the bridge."""
    if node == "machine":
        return str(topology.gateway_address(network))
    return str(topology.address(node, network))


def neighbour(topology: Topology, network: str, last: int) -> str:
    """Return the address of nobody in particular on a network."""
    found: IPv4Address = topology.subnets[network][last]
    return str(found)
