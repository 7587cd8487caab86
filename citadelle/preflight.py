"""What must hold before anything is started: nothing is touched here."""

from __future__ import annotations

import errno
import re
import shutil
import socket
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

from citadelle import compose, engine, pki
from citadelle.errors import CitadelleError
from citadelle.settings import FROZEN
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home

# The cluster at rest takes about 1 GiB (see `invoke bench`); half as much again to work.
MEMORY_BYTES = 1_500 * 2**20
# Images, wheels, the three copies of an empty database and their WAL.
DISK_BYTES = 4 * 2**30


def check(topology: Topology, home: Home) -> None:
    """Raise CitadelleError with every reason not to start, one per line."""
    pki.require(home, topology)
    engine.require()
    problems = [
        *_foreign_objects(topology, home),
        *_frozen(topology, home),
        *_busy_ports(topology, home),
        *_busy_subnet(topology),
        *_resources(home),
    ]
    if problems:
        raise CitadelleError("\n".join(problems))


def _foreign_objects(topology: Topology, home: Home) -> Iterator[str]:
    """Refuse volumes and containers of this name that another authority made."""
    cluster, ours = topology.settings.cluster_name, pki.fingerprint(home)
    for kind, french in (("volume", "volume"), ("container", "conteneur"), ("network", "réseau")):
        foreign = set(engine.names(kind, cluster=cluster))
        foreign -= set(engine.names(kind, cluster=cluster, ca=ours))
        if foreign:
            authority = _authority(kind, min(foreign))
            yield (
                f"Le {french} {min(foreign)} (et {len(foreign) - 1} autres) appartient à un "
                f"cluster « {cluster} » d'une autre autorité ({authority}, ici {ours}) : remettez "
                f"son build/pki, changez CLUSTER_NAME, ou « invoke destroy --ca {authority} »."
            )


def _frozen(topology: Topology, home: Home) -> Iterator[str]:
    """Refuse another value of what the data bear, as the last `up` remembers it."""
    before, cluster = compose.read_env(home.compose_env), topology.settings.cluster_name
    if before.get("CLUSTER_NAME") != cluster or not engine.names(
        "volume", cluster=cluster, ca=pki.fingerprint(home)
    ):
        return
    for name in FROZEN:
        wanted = getattr(topology.settings, name.lower())
        if before.get(name, wanted) != wanted:
            yield (
                f"{name} = {wanted} : les données ont été créées avec « {before[name]} », qui ne "
                "change plus. Remettez-le dans .env, ou repartez de rien (« invoke destroy »)."
            )


def _authority(kind: str, name: str) -> str:
    found = engine.inspect(kind, name)[0]
    labels = found.get("Labels") or found.get("Config", {}).get("Labels") or {}
    return str(labels.get("fr.citadelle.ca", "inconnue"))


def _busy_ports(topology: Topology, home: Home) -> Iterator[str]:
    """Name every published port that something else already holds."""
    ours = set(_published(engine.names("container", ca=pki.fingerprint(home))))
    bind = topology.settings.bind_address
    for endpoint in topology.endpoints:
        if (bind, endpoint.port) in ours:
            continue
        reason = _unusable(bind, endpoint.port)
        if reason == errno.EADDRNOTAVAIL:
            yield f"BIND_ADDRESS = {bind} n'est pas une adresse de cette machine (« ip address »)."
            return
        if reason == errno.EADDRINUSE:
            yield (
                f"Le port {bind}:{endpoint.port} ({endpoint.service}, {endpoint.node}) est "
                f"déjà pris{_holder(endpoint.port)} : libérez-le ou changez-le dans .env."
            )


def _published(containers: list[str]) -> Iterator[tuple[str, int]]:
    for found in engine.inspect("container", *containers):
        for bindings in (found["HostConfig"]["PortBindings"] or {}).values():
            for binding in bindings if found["State"]["Running"] else []:
                yield binding["HostIp"], int(binding["HostPort"])


def _unusable(host: str, port: int) -> int | None:
    """Return why a port cannot be bound (errno), None when it can.

    That this account may not (below 1024) says nothing: the engine binds it, not the operator.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno
    return None


def _holder(port: int) -> str:
    """Return who listens on a port, as far as the operator's account may know."""
    for name in engine.docker("ps", f"--filter=publish={port}", "--format={{.Names}}").split():
        return f" par le conteneur {name}"
    inodes = _listening_inodes(port)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.removeprefix("socket:[").rstrip("]") in inodes:
            process = link.parent.parent
            return f" par {(process / 'comm').read_text().strip()} (processus {process.name})"
    return ""


def _listening_inodes(port: int) -> set[str]:
    rows = []
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        rows += path.read_text().splitlines()[1:] if path.exists() else []
    listening = "0A"  # TCP_LISTEN (Linux, include/net/tcp_states.h)
    return {
        fields[9]
        for fields in map(str.split, rows)
        if fields[3] == listening and int(fields[1].rpartition(":")[2], 16) == port
    }


def _busy_subnet(topology: Topology) -> Iterator[str]:
    """Name a Docker network of another cluster or project that overlaps SUBNET."""
    own = topology.settings.cluster_name
    for found in engine.inspect("network", *engine.docker("network", "ls", "-q").split()):
        if (found.get("Labels") or {}).get("fr.citadelle.cluster") == own:
            continue
        for config in found["IPAM"]["Config"] or []:
            text = config.get("Subnet", "")
            if re.fullmatch(r"[\d./]+", text) and IPv4Network(text).overlaps(
                topology.settings.subnet
            ):
                yield (
                    f"SUBNET = {topology.settings.subnet} recouvre le réseau Docker "
                    f"{found['Name']} ({text}) : choisissez-en un autre dans .env."
                )


def _resources(home: Home) -> Iterator[str]:
    if engine.names("container", ca=pki.fingerprint(home)):
        return  # already started once: what it needs is taken
    available = memory_available()
    if available < MEMORY_BYTES:
        yield (
            f"Mémoire insuffisante : {available >> 20} Mio disponibles, "
            f"{MEMORY_BYTES >> 20} Mio nécessaires."
        )
    free = shutil.disk_usage(ROOT).free
    if free < DISK_BYTES:
        yield f"Disque insuffisant : {free >> 20} Mio libres, {DISK_BYTES >> 20} Mio nécessaires."


def memory_available() -> int:
    """Return the memory that can be had without swapping, in bytes (``/proc/meminfo``)."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
