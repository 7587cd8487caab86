"""A cluster beside the user's: its own home, name, networks and ports, all taken from what is free.

Every inside port and every user differs from its default too, so that one written twice in the
project cannot go unnoticed.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from ipaddress import IPv4Network

from citadelle import engine, env, lifecycle, pki, settings
from citadelle.dr import journal
from citadelle.errors import CitadelleError
from citadelle.settings import FIELDS
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home

# Below Linux's ephemeral range (32768), so that no outgoing connection takes one meanwhile.
PUBLISHED_PORTS = range(20000, 32000)
INSIDE_PORT_SHIFT = 11000
# No user's name is a word of a protocol then: "postgres" stands in every TLS ClientHello of libpq.
USER_SUFFIX = "_apart"
SUBNETS = tuple(IPv4Network("10.208.0.0/16").subnets(new_prefix=22))


def home(purpose: str) -> Home:
    """Return the home of this checkout's sandbox for a purpose (``verify``, ``lifecycle``)."""
    return Home(ROOT / "build" / purpose)


def prepare(purpose: str, **variables: str) -> tuple[Topology, Home]:
    """Remove what an interrupted run left, then write a new ``.env`` and its certificates.

    ``variables`` are those of ``.env`` that the purpose wants otherwise.
    """
    place = home(purpose)
    remove(place)
    place.env_file.unlink(missing_ok=True)
    env.create(place, overrides(purpose) | variables)
    topology = Topology(settings.load(place.env_file))
    pki.ensure(place, topology)
    return topology, place


def remove(place: Home) -> list[str]:
    """Destroy the sandbox's cluster, if any; its images stay for the next run."""
    journal.forget(place)
    if not (place.pki / "server" / "ca.crt").is_file():
        return []
    return lifecycle.destroy(_name(place.path.name), pki.fingerprint(place))


def _name(purpose: str) -> str:
    """Return a name of this checkout's own: two checkouts verify side by side."""
    return f"{purpose}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


def overrides(purpose: str, shift: int = INSIDE_PORT_SHIFT) -> dict[str, str]:
    """Return what differs from ``.env.example``: name, networks, every port and every user."""
    published = _free_ports()
    values = {"CLUSTER_NAME": _name(purpose), "SUBNET": str(_free_subnet())}
    defaults = env.defaults()
    for name, field in FIELDS.items():
        kind = field.metadata["kind"]
        if kind == "port/hôte":
            values[name] = str(next(published))
        elif kind == "user":
            values[name] = defaults[name] + USER_SUFFIX
        elif kind.startswith("port/"):
            values[name] = str(int(defaults[name]) + shift)
    return values


def _free_ports() -> Iterator[int]:
    for port in PUBLISHED_PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                yield port


def _free_subnet() -> IPv4Network:
    taken = [
        IPv4Network(config["Subnet"])
        for found in engine.inspect("network", *engine.docker("network", "ls", "-q").split())
        for config in found["IPAM"]["Config"] or []
        if ":" not in config.get("Subnet", ":")
    ]
    for candidate in SUBNETS:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise CitadelleError("Plus aucun réseau libre dans 10.208.0.0/16 : voir « docker network ls ».")
