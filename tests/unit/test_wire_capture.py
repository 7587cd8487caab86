"""The capture proves itself: whole, to the end, or nothing is proven."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from citadelle import engine, progress
from citadelle.errors import CitadelleError
from citadelle.topology import NETWORKS, Topology
from citadelle.wire import capture
from citadelle.wire.capture import Tap, capturing
from citadelle.workspace import Home
from tests.unit.chaos_lab import TOPOLOGY

LAST = b"derniers mots"
SAID = "tcpdump: listening on br-1, link-type EN10MB\n12 packets captured\n"
WHOLE = "0 packets dropped by kernel\n"


class Process:
    """Stands in for docker's client: runs until it is told to stop, or has ended by itself."""

    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        """Return the exit code, if any."""
        return self.code

    def wait(self, _seconds: float) -> int:
        """Return at once: whoever waits has asked to stop."""
        return self.code or 0


class Taps:
    """Captures without an engine; ``ended`` and ``said`` by network."""

    def __init__(self, ended: str = "", said: dict[str, str] | None = None) -> None:
        self.ended, self.said = ended, said or {}
        self.stopped: list[str] = []

    def open(self, _topology: Topology, _home: Home, network: str, directory: Path) -> Tap:
        """Have everything in the files from the start."""
        packets, messages = directory / f"{network}.pcap", directory / f"{network}.log"
        packets.write_bytes(b"paquets" + LAST)
        messages.write_text(SAID + self.said.get(network, WHOLE), encoding="utf-8")
        process = Process(0 if network == self.ended else None)
        return Tap(
            network, f"c-{network}", cast(subprocess.Popen[bytes], process), packets, messages
        )

    def docker(self, *argv: str, **_options: object) -> str:
        """Note which container is told to stop."""
        self.stopped.append(argv[-1])
        return ""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Taps], dict[str, Path]]:
    """Return what captures while nothing happens."""

    def capture_nothing(taps: Taps) -> dict[str, Path]:
        monkeypatch.setattr(progress, "POLL_SECONDS", 0.001)
        monkeypatch.setattr(capture, "_open", taps.open)
        monkeypatch.setattr(engine, "docker", taps.docker)
        with capturing(TOPOLOGY, Home(tmp_path), tmp_path, LAST) as found:
            return found

    return capture_nothing


def test_whole_capture_is_taken(run: Callable[[Taps], dict[str, Path]]) -> None:
    """One file per network; each capture is stopped."""
    taps = Taps()

    assert set(run(taps)) == set(NETWORKS)
    assert taps.stopped == [f"c-{network}" for network in NETWORKS]


@pytest.mark.parametrize("network", NETWORKS)
def test_capture_that_ended_early_is_refused(
    run: Callable[[Taps], dict[str, Path]], network: str
) -> None:
    """By its bounds of time or packets, or killed: what came afterwards was not seen."""
    with pytest.raises(CitadelleError, match=f"« {network} » finie avant le scénario"):
        run(Taps(ended=network))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "said",
    ["7 packets dropped by kernel\n", "1 packet dropped by kernel\n", ""],
    ids=["sept", "un", "rien dit"],
)
def test_lost_packets_are_refused(
    run: Callable[[Taps], dict[str, Path]], network: str, said: str
) -> None:
    """One that the kernel dropped may be the one in clear; silence says nothing either."""
    with pytest.raises(CitadelleError, match=f"« {network} » incomplète"):
        run(Taps(said={network: said}))


def test_last_words_are_awaited(
    run: Callable[[Taps], dict[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel hands packets over late: a file without them is not complete."""
    monkeypatch.setattr(capture, "STOP_SECONDS", 0.01)
    taps = Taps()
    monkeypatch.setattr(taps, "open", _without_last(taps))

    with pytest.raises(CitadelleError, match="Derniers mots"):
        run(taps)
    assert len(taps.stopped) == len(NETWORKS)


def _without_last(taps: Taps) -> Callable[[Topology, Home, str, Path], Tap]:
    opened = taps.open

    def open_(topology: Topology, home: Home, network: str, directory: Path) -> Tap:
        tap = opened(topology, home, network, directory)
        tap.packets.write_bytes(b"paquets")
        return tap

    return open_
