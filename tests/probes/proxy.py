"""PROXY protocol headers, true and forged (HAProxy, doc/proxy-protocol.txt, 2.2: version 2)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, TCP6, UNIX = 0x00, 0x11, 0x21, 0x31


def header(command: int, family: int, block: bytes) -> bytes:
    """Return a PROXY v2 header."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block)) + block


def claim(source: str) -> bytes:
    """Return a PROXY v2 header that says: this TCP connection comes from ``source``."""
    address = ip_address(source)
    family = TCP4 if isinstance(address, IPv4Address) else TCP6
    target = IPv4Address(1) if family == TCP4 else IPv6Address(1)
    return header(PROXY, family, addresses(address, target))


def addresses(
    source: IPv4Address | IPv6Address, target: IPv4Address | IPv6Address, port: int = 40000
) -> bytes:
    """Return a header's address block."""
    return source.packed + target.packed + struct.pack("!HH", port, 5432)
