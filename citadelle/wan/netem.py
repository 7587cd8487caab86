"""A slow line by the kernel's own netem, on what a machine sends."""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from citadelle import engine, namespace
from citadelle.errors import CitadelleError
from citadelle.topology import Topology
from citadelle.wan.crossing import NETWORKS
from citadelle.wan.link import Link

# What tc says of a kernel without netem.
ABSENT = "qdisc kind is unknown"
# Packets that wait, as in the delay line (docker/wan/delay_line.py).
LIMIT = 20_000
# The quantum that HTB would derive from such a rate is one that the kernel warns about.
UNBOUND = "rate 32gbit quantum 60000"


def handle(classid: str) -> str:
    """Return the discipline that a class belongs to, as tc writes it."""
    return f"{classid.partition(':')[0]}:"


def options(link: Link) -> list[str]:
    """Return the line in netem's words (tc-netem(8)); times in microseconds, whole numbers."""
    argv = ["netem", "limit", str(LIMIT)]
    if link.latency_ms:
        argv += ["delay", f"{1000 * link.latency_ms:.0f}us", f"{1000 * link.jitter_ms:.0f}us"]
    if link.loss_percent:
        argv += ["loss", f"{link.loss_percent:g}%"]
    if link.rate_bits:
        argv += ["rate", f"{link.rate_bits:.0f}bit"]
    return argv


def batch(devices: Iterable[str], link: Link, classid: str) -> str:
    """Return what `tc -batch` reads: a class that netem slows down, everything else unshaped.

    HTB passes what has no class straight on; the class's own rate is beyond any interface's.
    """
    lines = []
    for device in devices:
        lines += [
            f"qdisc add dev {device} root handle {handle(classid)} htb",
            f"class add dev {device} parent {handle(classid)} classid {classid} htb {UNBOUND}",
            f"qdisc add dev {device} parent {classid} {' '.join(options(link))}",
        ]
    return "\n".join(lines) + "\n"


def available(image: str) -> bool:
    """Tell whether the kernel has netem, in a namespace of nobody's."""
    argv = ["run", "--rm", "--network=none", *namespace.CONFINED, "--entrypoint=tc", image]
    try:
        engine.docker(*argv, "qdisc", "add", "dev", "lo", "root", "netem", "limit", "1")
    except CitadelleError as error:
        if ABSENT in str(error):
            return False
        raise
    return True


def slow(topology: Topology, node: str, image: str, link: Link, classid: str) -> None:
    """Slow down what the node sends in a class (major:minor), on the machines' networks."""
    container = namespace.holder(topology, node)
    said = namespace.run(container, image, "ip", "-json", "-4", "addr", "show")
    commands = batch(devices(topology, said), link, classid)
    namespace.run(container, image, "tc", "-batch", "-", stdin=commands)


def restore(topology: Topology, node: str, image: str, classid: str) -> None:
    """Remove the class wherever it is."""
    container = namespace.holder(topology, node)
    shown = namespace.run(container, image, "tc", "-json", "qdisc", "show")
    ours = (row for row in json.loads(shown) if row["handle"] == handle(classid))
    lines = [f"qdisc del dev {row['dev']} root" for row in ours]
    if lines:
        namespace.run(container, image, "tc", "-batch", "-", stdin="\n".join(lines) + "\n")


def devices(topology: Topology, said: str) -> list[str]:
    """Return the interfaces of these networks, from what `ip -json addr` says."""
    subnets = [topology.subnets[network] for network in NETWORKS]
    return [
        str(row["ifname"])
        for row in json.loads(said)
        for address in row["addr_info"]
        if any(_within(address["local"], subnet) for subnet in subnets)
    ]


def _within(address: str, subnet: IPv4Network) -> bool:
    return IPv4Address(address) in subnet
