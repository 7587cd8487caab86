"""What is not TCP: address and name resolution, ICMP; counted apart, and it may not leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from citadelle.topology import Topology
from citadelle.wire.needles import Needles, signatures
from citadelle.wire.packets import FRAGMENT, UNREADABLE, Other

Address = IPv4Address | IPv6Address
DNS_PORT = 53
# What a network needs besides TCP; anything else may only go to groups (mDNS and the like, from
# the host), never from one machine to another.
NEEDED = ("ARP", "DNS", "ICMP", "ICMPv6", "IGMP")
BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True)
class Neighbour:
    """One sort of packets on one network; ``problem`` is empty when they may be there."""

    network: str
    protocol: str
    packets: int
    size: int
    problem: str


class Neighbourhood:
    """Everything but TCP that one capture shows."""

    def __init__(self, topology: Topology, network: str, needles: Needles) -> None:
        self._network = network
        self._subnet = topology.subnets[network]
        self._needles = needles
        self._packets: Counter[tuple[str, str]] = Counter()
        self._sizes: Counter[tuple[str, str]] = Counter()

    def feed(self, packet: Other) -> None:
        """Count one packet."""
        protocol = _protocol(packet)
        key = (protocol, " ; ".join(self._problems(packet, protocol)))
        self._packets[key] += 1
        self._sizes[key] += len(packet.payload)

    def rows(self) -> list[Neighbour]:
        """Return what was seen, by protocol."""
        return [
            Neighbour(self._network, protocol, count, self._sizes[protocol, problem], problem)
            for (protocol, problem), count in sorted(self._packets.items())
        ]

    def _problems(self, packet: Other, protocol: str) -> Iterator[str]:
        if protocol in (UNREADABLE, FRAGMENT):
            yield f"paquet {protocol} : contenu non vérifié"
        elif packet.source:
            yield from self._addresses(packet, protocol)
        elif protocol not in NEEDED and not packet.group:
            yield "protocole inattendu"
        if labels := self._needles.labels(packet.payload):
            yield f"canari lisible ({', '.join(sorted(labels))})"
        if proxy := signatures(packet.payload):
            yield f"en-tête {', '.join(sorted(proxy))} sur le réseau"

    def _addresses(self, packet: Other, protocol: str) -> Iterator[str]:
        source, target = _address(packet.source), _address(packet.target)
        if not (target in self._subnet or _is_local(target)):
            yield f"sort du réseau ({source} → {target})"
        elif not (source in self._subnet or _is_local(source) or source.is_unspecified):
            yield f"vient d'un autre réseau ({source} → {target})"
        elif protocol not in NEEDED and not packet.group:
            yield f"hors de la table des flux ({source} → {target})"


def _protocol(packet: Other) -> str:
    if packet.protocol != "UDP":
        return packet.protocol
    if DNS_PORT in (packet.source_port, packet.target_port):
        return "DNS"
    return f"UDP {packet.target_port}"


@cache
def _address(packed: bytes) -> Address:
    return ip_address(packed)


def _is_local(address: Address) -> bool:
    """Tell an address that no router passes on.

    Not 169.254.0.0/16: no machine has one here, and clouds keep their metadata service there.
    """
    if address.is_multicast or address == BROADCAST:
        return True
    return isinstance(address, IPv6Address) and address.is_link_local
