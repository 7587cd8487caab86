"""Where the nodes are: what contradicts itself is refused, what is unwise is told.

The first of DATACENTERS is the preferred one; the others are remote. A rule that knows too little
(a variable that did not parse) says nothing: the variable has its own line already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

# Beyond, a site would be without etcd: there are three members.
MAX_DATACENTERS = 3
MAJORITY = 2
ENTRANCES = {"haproxy": "HAProxy", "pgbouncer": "PgBouncer"}


@dataclass(frozen=True)
class Node:
    """One machine; ``priority`` is that of a PostgreSQL node, 0 for the others."""

    name: str
    kind: str
    site: str
    priority: int


@dataclass(frozen=True)
class Places:
    """Who is where, once every variable of the topology is known."""

    sites: tuple[str, ...]
    nodes: tuple[Node, ...]
    replication: str

    @property
    def preferred(self) -> str:
        """The preferred datacentre."""
        return self.sites[0]

    def of(self, kind: str, site: str) -> list[Node]:
        """Return the nodes of one kind in one datacentre."""
        return [n for n in self.nodes if (n.kind, n.site) == (kind, site)]

    @property
    def here(self) -> list[Node]:
        """PostgreSQL in the preferred datacentre."""
        return self.of("pg", self.preferred)

    @property
    def away(self) -> list[Node]:
        """PostgreSQL in the other datacentres."""
        return [n for n in self.nodes if n.kind == "pg" and n.site != self.preferred]

    @property
    def takers(self) -> list[Node]:
        """The nodes that may ever be promoted without a human: synchronous, and not of rank 0."""
        eligible = self.here if self.replication == "asynchrone" else [*self.here, *self.away]
        return [node for node in eligible if node.priority]


def _places(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Places | None:
    """Return the topology; None when it is not wholly known, or names a site it does not list."""
    names = [name for name, kind in kinds.items() if kind == "datacenter"]
    needed = ["datacenters", "remote_replication", *map(str.lower, names)]
    needed += [f"pg{index}_priority" for index in (1, 2, 3)]
    if not all(name in parsed for name in needed):
        return None
    sites = cast("tuple[str, ...]", parsed["datacenters"])
    nodes = tuple(_node(name.removesuffix("_DC").lower(), parsed) for name in names)
    if not sites or any(node.site not in sites for node in nodes):
        return None
    return Places(sites, nodes, str(parsed["remote_replication"]))


def _node(name: str, parsed: Mapping[str, object]) -> Node:
    priority = cast("int", parsed.get(f"{name}_priority", 0))
    return Node(name, name.rstrip("0123456789"), str(parsed[f"{name}_dc"]), priority)


def refused(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Iterator[str]:
    """Yield, in French, each contradiction of the topology, with its reason."""
    places = _places(parsed, kinds)
    if places is None:
        return
    for rule in REFUSED:
        yield from rule(places)


def warned(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Iterator[str]:
    """Yield, in French, what is possible but has a price that the operator must know."""
    places = _places(parsed, kinds)
    if places is None:
        return
    for rule in WARNED:
        yield from rule(places)


def _sites_are_used(places: Places) -> Iterator[str]:
    for site, count in Counter(places.sites).items():
        if count > 1:
            yield f"DATACENTERS nomme {site} {count} fois"
    if len(places.sites) > MAX_DATACENTERS:
        yield (
            f"DATACENTERS compte {len(places.sites)} centres, {MAX_DATACENTERS} au plus : "
            "il n'y a que trois membres d'etcd"
        )
    used = {node.site for node in places.nodes}
    for site in dict.fromkeys(places.sites):
        if site not in used:
            yield f"DATACENTERS nomme {site}, où aucun nœud ne se trouve : retirez-le"


def _quorum_is_not_remote(places: Places) -> Iterator[str]:
    """A remote site that holds the majority stops the preferred one when the link breaks."""
    for site in dict.fromkeys(places.sites[1:]):
        members = places.of("etcd", site)
        if len(members) >= MAJORITY:
            names = ", ".join(f"{n.name.upper()}_DC" for n in members)
            yield (
                f"{site} a la majorité d'etcd ({len(members)} sur 3, {names}) : la perte de ce "
                f"site ou du lien arrêterait {places.preferred}"
            )


def _lonely(places: Places) -> bool:
    return len(places.here) == 1 and places.replication == "asynchrone"


def _preferred_datacenter_has_a_pair(places: Places) -> Iterator[str]:
    """Without a second node there, no synchronous standby exists unless the remote may be one."""
    if not places.here:
        yield f"aucun PostgreSQL dans {places.preferred}, le centre préféré, où vit le primaire"
    elif _lonely(places):
        yield (
            f"un seul PostgreSQL dans {places.preferred} : placez-y un second (PG1_DC, PG2_DC, "
            "PG3_DC) ou REMOTE_REPLICATION=synchrone, sinon aucun réplica ne peut être synchrone"
        )


def _priorities_follow_the_synchronous_set(places: Places) -> Iterator[str]:
    """Only a synchronous standby is ever promoted: ranks that hope for another one mislead."""
    ranks = ", ".join(f"{n.name.upper()}_PRIORITY" for n in (*places.here, *places.away))
    if not any(n.priority for n in (*places.here, *places.away)):
        yield f"{ranks} valent toutes 0 : aucun nœud ne pourrait jamais être promu"
    elif places.here and not any(n.priority for n in places.here):
        yield (
            f"aucun nœud de {places.preferred} n'est promouvable (priorité 0) : le primaire "
            "finirait dans un autre centre, sans retour"
        )
    elif len(places.takers) == 1 and not _lonely(places):
        yield (
            f"seul {places.takers[0].name} est promouvable parmi les nœuds synchrones : personne "
            f"ne prendrait sa suite (priorité 0, REMOTE_REPLICATION={places.replication})"
        )
    yield from _remote_ranks_below(places)


def _remote_ranks_below(places: Places) -> Iterator[str]:
    ranked = [node for node in places.here if node.priority]
    if not ranked:
        return
    lowest = min(ranked, key=lambda node: node.priority)
    for node in places.away:
        if node.priority >= lowest.priority:
            yield (
                f"{node.name.upper()}_PRIORITY = {node.priority} ({node.site}) doit être "
                f"inférieure à {lowest.name.upper()}_PRIORITY = {lowest.priority} "
                f"({places.preferred}) : le centre préféré passe d'abord"
            )


def _quorum_survives_elsewhere(places: Places) -> Iterator[str]:
    for site in places.sites[1:]:
        if places.of("pg", site) and not places.of("etcd", site):
            yield (
                f"{site} a un PostgreSQL et aucun etcd : après la perte de {places.preferred}, "
                "il n'y resterait aucune copie d'etcd"
            )


def _third_site_decides(places: Places) -> Iterator[str]:
    if len(places.sites) < MAX_DATACENTERS:
        return
    if len(places.of("etcd", places.preferred)) >= MAJORITY:
        yield (
            f"trois centres, mais {places.preferred} a la majorité d'etcd : sa perte arrête tout "
            "comme avec deux centres ; un etcd par centre la rend supportable"
        )
    elif places.replication != "synchrone":
        yield (
            f"trois centres et REMOTE_REPLICATION={places.replication} : à la perte de "
            f"{places.preferred}, etcd survit mais personne n'est promu sans un humain"
        )


def _preferred_datacenter_alone_takes_over(places: Places) -> Iterator[str]:
    eligible = [node for node in places.here if node.priority]
    if len(eligible) == 1 and len(places.takers) > 1:
        yield (
            f"{eligible[0].name} est seul promouvable dans {places.preferred} : à sa première "
            "panne, le primaire passe dans un autre centre"
        )


def _entrances_are_near(places: Places) -> Iterator[str]:
    for kind, name in ENTRANCES.items():
        for site in places.sites:
            if places.of("pg", site) and not places.of(kind, site):
                yield (
                    f"{site} a un PostgreSQL et aucun {name} : ses clients passent par "
                    "un autre centre, et n'ont plus d'entrée si celui-ci est perdu"
                )
    for site in places.sites:
        if places.of("pgbouncer", site) and not places.of("haproxy", site):
            yield f"{site} a un PgBouncer et aucun HAProxy : chaque requête fait un détour"


def _synchronous_link_costs(places: Places) -> Iterator[str]:
    if places.away and places.replication == "synchrone":
        yield (
            "REMOTE_REPLICATION=synchrone : chaque commit attend le lien entre les centres, et une "
            "dizaine de secondes quand il se rompt"
        )


REFUSED = (
    _sites_are_used,
    _quorum_is_not_remote,
    _preferred_datacenter_has_a_pair,
    _priorities_follow_the_synchronous_set,
)
WARNED = (
    _quorum_survives_elsewhere,
    _third_site_decides,
    _preferred_datacenter_alone_takes_over,
    _entrances_are_near,
    _synchronous_link_costs,
)
