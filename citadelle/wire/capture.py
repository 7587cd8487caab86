"""Every packet of every network of a cluster, to one file per network, while something runs.

One tcpdump per bridge, in containers that share the machine's network namespace: a container
attached to the network itself would only see what is sent to it.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from citadelle import engine, images, pki
from citadelle.errors import CitadelleError
from citadelle.progress import wait_until
from citadelle.topology import NETWORKS, Topology
from citadelle.workspace import Home, origin

# A scenario takes two minutes; a capture that nobody ends, ends by itself.
MAX_SECONDS = 900
# About two gigabytes at the size of the packets of a replica's rebuilding.
MAX_PACKETS = 1_000_000
# tcpdump opens its interface within a second, and writes its last packets within another.
START_SECONDS = 30.0
STOP_SECONDS = 30.0
# How far from its end a file is searched for the last words: seconds of a busy network.
TAIL_BYTES = 16 << 20
# Kernel buffer of each capture, in KiB: a burst must not be lost (`-B`).
BUFFER_KIB = 65536
DROPPED = re.compile(r"(\d+) packets? dropped by kernel")


@dataclass(frozen=True)
class Tap:
    """One running capture."""

    network: str
    container: str
    process: subprocess.Popen[bytes]
    packets: Path
    messages: Path


@contextlib.contextmanager
def capturing(
    topology: Topology, home: Home, directory: Path, last_words: bytes
) -> Iterator[dict[str, Path]]:
    """Capture while the body runs; yield the file of each network, complete afterwards.

    ``last_words`` are what the body sends in clear on every network at its very end: once they
    are in a file, so is everything before them (the kernel hands packets over in order, but up
    to a second late, and what it still holds when tcpdump ends is lost).

    Raises:
        CitadelleError: when a capture does not start, ended before the body did, or lost packets.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    taps: list[Tap] = []
    try:
        taps += [_open(topology, home, network, directory) for network in NETWORKS]
        for tap in taps:
            _wait_listening(tap)
        yield {tap.network: tap.packets for tap in taps}
        ended = [tap for tap in taps if tap.process.poll() is not None]
        for tap in taps:
            _wait_for(tap, last_words)
    finally:
        for tap in taps:
            _close(tap)
    if ended:
        raise CitadelleError(
            f"Capture de « {ended[0].network} » finie avant le scénario "
            f"(bornes : {MAX_SECONDS} s, {MAX_PACKETS} paquets) : {_said(ended[0])}"
        )
    for tap in taps:
        _demand_every_packet(tap)


def bridge(topology: Topology, network: str) -> str:
    """Return the machine's interface that carries a network."""
    (found,) = engine.inspect("network", f"{topology.settings.cluster_name}_{network}")
    options: dict[str, Any] = found["Options"] or {}
    named = options.get("com.docker.network.bridge.name")
    # The engine's own name for a bridge: the first twelve letters of the network's identifier.
    return str(named or f"br-{found['Id'][:12]}")


def _open(topology: Topology, home: Home, network: str, directory: Path) -> Tap:
    cluster = topology.settings.cluster_name
    name = f"{cluster}-capture-{network}"
    labels = {"cluster": cluster, "ca": pki.fingerprint(home), "origin": origin()}
    argv = ["run", "--rm", "--name", name, "--network=host", "--read-only", "--user=0"]
    argv += ["--cap-drop=ALL", "--cap-add=NET_RAW", "--security-opt=no-new-privileges:true"]
    # The packets leave by standard output: not also by the engine's log.
    argv += ["--log-driver=none", "--memory=256m", "--pids-limit=8"]
    argv += [f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()]
    tcpdump = ["tcpdump", "-i", bridge(topology, network), "-w", "-", "-U", "-s", "0"]
    tcpdump += ["-B", str(BUFFER_KIB), "-c", str(MAX_PACKETS), "-Z", "root"]
    command = ["timeout", "--signal=INT", str(MAX_SECONDS), *tcpdump]
    packets, messages = directory / f"{network}.pcap", directory / f"{network}.log"
    image = images.name(topology, "tools")
    process = engine.background([*argv, image, *command], packets, messages)
    return Tap(network, name, process, packets, messages)


def _wait_listening(tap: Tap) -> None:
    def missing() -> str | None:
        return None if "listening on" in _said(tap) else _said(tap) or "muette"

    wait_until(missing, f"Capture de « {tap.network} »", START_SECONDS)


def _wait_for(tap: Tap, words: bytes) -> None:
    def missing() -> str | None:
        with tap.packets.open("rb") as file:
            file.seek(max(0, tap.packets.stat().st_size - TAIL_BYTES))
            return None if words in file.read() else f"{tap.packets.stat().st_size} octets"

    wait_until(missing, f"Derniers mots dans la capture de « {tap.network} »", STOP_SECONDS)


def _close(tap: Tap) -> None:
    if tap.process.poll() is None:
        engine.docker("kill", "--signal=INT", tap.container)
    try:
        tap.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        tap.process.kill()
        engine.docker("rm", "--force", tap.container)
        raise CitadelleError(
            f"La capture de « {tap.network} » ne s'arrête pas : {_said(tap)}"
        ) from None


def _demand_every_packet(tap: Tap) -> None:
    """A proof over packets that were lost proves nothing."""
    found = DROPPED.search(_said(tap))
    if found is None or int(found[1]):
        raise CitadelleError(
            f"Capture de « {tap.network} » incomplète ({_said(tap)}) : relancez, sur une machine "
            "moins chargée."
        )


def _said(tap: Tap) -> str:
    """Return tcpdump's own messages on one line."""
    return " ".join(tap.messages.read_text(errors="replace").split())
