"""Who talks to the other sites: what a slow or cut line concerns, machine by machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citadelle import namespace
from citadelle.errors import CitadelleError
from citadelle.topology import ATTACHED, ETCD, HAPROXY, PG, PGBOUNCER, Topology

MACHINES = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
# Between machines; clients come by `front`, and do not live in a datacentre of ours.
NETWORKS = ("dcs", "pg", "pool")
TABLE = "inet citadelle_wan"
# The mark and the priority (a class of tc) of a packet to be slowed: « c17 », for citadelle.
MARK = "0xc17"
CLASS = "c17:1"


@dataclass(frozen=True)
class Crossing:
    """A machine and those that it reaches only by the line between two sites."""

    node: str
    peers: tuple[str, ...]


def sites(topology: Topology, site: str = "") -> tuple[str, ...]:
    """Return the sites at whose end of the line rules are put: one, or all but the preferred.

    Raises:
        CitadelleError: for a site that is none, or when there is no other than the preferred.
    """
    known = topology.settings.datacenters
    if site and site not in known:
        raise CitadelleError(f"--site : « {site} » inconnu ({', '.join(known)}).")
    found = (site,) if site else tuple(s for s in known if s != topology.preferred_datacenter)
    if not any(topology.datacenter(node) in found for node in MACHINES):
        raise CitadelleError(
            f"Aucune machine hors de {topology.preferred_datacenter} : il n'y a pas de lien entre "
            "centres (voir les variables *_DC de .env)."
        )
    return found


def ends(topology: Topology, chosen: Sequence[str]) -> list[Crossing]:
    """Return the machines of these sites: a cut at one end is a cut."""
    return [
        found for found in both_ends(topology, chosen) if topology.datacenter(found.node) in chosen
    ]


def both_ends(topology: Topology, chosen: Sequence[str]) -> list[Crossing]:
    """Return the machines at both ends: each slows one direction of each line down."""
    found = (Crossing(node, _peers(topology, node, chosen)) for node in MACHINES)
    return [crossing for crossing in found if crossing.peers]


def _peers(topology: Topology, node: str, chosen: Sequence[str]) -> tuple[str, ...]:
    here = topology.datacenter(node)
    return tuple(
        peer
        for peer in MACHINES
        if topology.datacenter(peer) != here
        and (here in chosen or topology.datacenter(peer) in chosen)
        and _networks(node) & _networks(peer)
    )


def _networks(node: str) -> set[str]:
    return set(NETWORKS) & set(ATTACHED[node.rstrip("0123456789")])


def cut(topology: Topology, crossing: Crossing, comment: str) -> str:
    """Drop what comes from the peers and what leaves for them; nobody is told."""
    peers = _addresses(topology, crossing)
    rules = [f"ip saddr {peers} drop"], [f"ip daddr {peers} drop"]
    return namespace.table(TABLE, *rules, comment)


def marked(topology: Topology, crossing: Crossing, comment: str) -> str:
    """Mark what comes from the peers, for the delay line."""
    rules = [f"ip saddr {_addresses(topology, crossing)} meta mark set {MARK}"]
    return namespace.table(TABLE, rules, [], comment)


def classed(topology: Topology, crossing: Crossing, comment: str) -> str:
    """Put what leaves for the peers into the class of tc that netem slows down."""
    rules = [f"ip daddr {_addresses(topology, crossing)} meta priority set {CLASS}"]
    return namespace.table(TABLE, [], rules, comment)


def _addresses(topology: Topology, crossing: Crossing) -> str:
    return namespace.addresses(topology, crossing.peers, NETWORKS)
