"""The cluster's networks: closed as the design says, and tried from inside."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from citadelle import engine
from citadelle.audit import fleet
from citadelle.audit.control import Cluster, Finding
from citadelle.audit.reads import container, inside_command, judged, once
from citadelle.audit.rights import Expected, expected
from citadelle.topology import NETWORKS, Topology

PUBLISHED = "front"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
# A machine next door answers, or refuses, within milliseconds.
ANSWER_SECONDS = 2
# What a machine outside may offer or refuse: names, HTTPS, HTTP.
OUTSIDE_PORTS = (53, 443, 80)
ROUTES, RESOLVERS = Path("/proc/net/route"), Path("/etc/resolv.conf")
# What bash says of a connection that got no further than this machine (errno(3)).
NOWHERE = ("Network is unreachable", "No route to host", "Connection timed out")
TIMED_OUT = "code 124"  # timeout(1)
PROBE = (
    f'timeout {ANSWER_SECONDS} bash -c \'exec 3<>/dev/tcp/$0/$1\' "$1" "$2" 2>&1; echo "code $?"'
)

Outside = tuple[str, int]


def network_faults(topology: Topology, network: str, found: dict[str, Any]) -> Iterator[str]:
    """Yield what would let a network of the cluster be entered or left, from its JSON."""
    if found["Driver"] != "bridge":
        yield f"{network} : pilote {found['Driver']}"
    if found["EnableIPv6"]:
        yield f"{network} : IPv6, que rien ne filtre ici"
    if found["Attachable"] or found["Ingress"]:
        yield f"{network} : ouvert à d'autres"
    subnets = [config["Subnet"] for config in found["IPAM"]["Config"] or []]
    if subnets != [str(topology.subnets[network])]:
        yield f"{network} : {', '.join(subnets)} au lieu de {topology.subnets[network]}"
    if network != PUBLISHED and not found["Internal"]:
        yield f"{network} : réseau non interne"
    if network == PUBLISHED and found["Options"].get(MASQUERADE) != "false":
        yield f"{network} : la traduction d'adresse donne une sortie"


def strangers(network: str, found: dict[str, Any], known: Iterable[str]) -> Iterator[str]:
    """Yield what is attached to a network besides the cluster's own containers."""
    for attached in (found["Containers"] or {}).values():
        if attached["Name"] not in known:
            yield f"{network} : {attached['Name']} y est attaché"


@once
def inspected(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Return what the engine knows of each network of the cluster."""
    names = [f"{cluster.topology.settings.cluster_name}_{network}" for network in NETWORKS]
    return dict(zip(NETWORKS, engine.inspect("network", *names), strict=True))


def outside() -> Outside | None:
    """Return a place beyond this machine that answers it, or refuses: its router, its resolver."""
    hosts = dict.fromkeys((*_routers(), *_resolvers()))
    places = [(host, port) for host in hosts for port in OUTSIDE_PORTS]
    with ThreadPoolExecutor(len(places) or 1) as pool:
        answered = pool.map(lambda place: _answers(*place), places)
        return next((place for place, yes in zip(places, answered, strict=True) if yes), None)


def has_outside() -> bool:
    """Tell whether this machine itself has a route to elsewhere."""
    return bool(list(_routers()))


def _routers() -> Iterator[str]:
    rows = (line.split() for line in ROUTES.read_text().splitlines()[1:])
    return (str(IPv4Address(bytes.fromhex(r[2])[::-1])) for r in rows if r[1] == "0" * 8)


def _resolvers() -> Iterator[str]:
    rows = (line.split() for line in RESOLVERS.read_text().splitlines())
    found = (row[1] for row in rows if row[:1] == ["nameserver"] and len(row) > 1)
    return (host for host in found if not host.startswith("127."))


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def reached(cluster: Cluster, names: Iterable[str], place: Outside) -> dict[str, str]:
    """Return what a TCP connection to a place gave, from inside each container."""

    def attempt(name: str) -> str:
        return engine.execute(container(cluster, name), *_probe(place)).strip()

    names = tuple(names)
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(attempt, names), strict=True))


def _probe(place: Outside) -> tuple[str, ...]:
    return ("bash", "-c", PROBE, "probe", place[0], str(place[1]))


def got_out(said: str) -> bool:
    """Tell whether the probe's words mean anything but silence or no route.

    A refusal is an answer: the packet went out and another one came back.
    """
    return not (said.endswith(TIMED_OUT) or any(words in said for words in NOWHERE))


def unproven(rows: Iterable[Expected], networks: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the containers that nothing but a trial would show to be closed in."""
    for row in rows:
        for network in sorted(row.networks):
            found = networks[network]
            if not found["Internal"] and found["Options"].get(MASQUERADE) != "false":
                yield f"{row.name} : {network} a une sortie"


def networks(cluster: Cluster) -> Finding:
    """Judge the networks by their flags and by who is on them."""
    found = inspected(cluster)
    known = {container(cluster, row.name) for row in expected(cluster.topology)}
    known |= {
        container(cluster, name)
        for name, i in fleet.inspected(cluster).items()
        if fleet.operators(i)
    }

    def faults() -> Iterator[str]:
        for network, item in found.items():
            yield from network_faults(cluster.topology, network, item)
            yield from strangers(network, item, known)

    good = f"internes : {', '.join(n for n, item in found.items() if item['Internal'])} ; "
    good += f"{PUBLISHED} sans traduction d'adresse ; aucun attaché inconnu"
    names = " ".join(item["Name"] for item in found.values())
    return judged(faults(), good, f"docker network inspect {names}")


def way_out(cluster: Cluster) -> Finding:
    """Judge by a trial where something outside answers this machine, else by the flags."""
    rows = [row for row in expected(cluster.topology) if row.networks]
    place = outside()
    if place is None:
        faults = unproven(rows, inspected(cluster))
        why = "muette" if has_outside() else "inexistante (aucune route par défaut)"
        good = f"aucun essai : la sortie de la machine est {why} ; réseaux fermés selon le moteur"
        names = [item["Name"] for item in inspected(cluster).values()]
        return judged(faults, good, f"docker network inspect {' '.join(names)}")
    where = f"{place[0]}:{place[1]}"
    said = reached(cluster, (row.name for row in rows), place)
    good = f"{where} répond à la machine, et à aucun des {len(said)} espaces réseau du cluster"
    faults = (f"{n} : {where} répond ({s})" for n, s in said.items() if got_out(s))
    return judged(faults, good, inside_command(cluster, rows[0].name, *_probe(place)))
