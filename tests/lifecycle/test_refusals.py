"""What `up` refuses before it touches anything: exit code 2, French reason, nothing created."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from subprocess import CompletedProcess

import pytest

from citadelle import engine, preflight
from citadelle.errors import CitadelleError
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.objects import named
from tests.operator import invoke

Sandboxed = tuple[Topology, Home]


def refused(done: CompletedProcess[str]) -> str:
    """Return the message of a clean refusal."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def objects(topology: Topology) -> list[str]:
    """Return everything of the cluster that exists in the engine."""
    cluster = topology.settings.cluster_name
    return [name for kind in ("container", "network") for name in named(kind, cluster)]


@pytest.fixture
def taken_port(sandboxed: Sandboxed) -> Iterator[int]:
    """A published port of the cluster that this process listens on."""
    endpoint = sandboxed[0].endpoint("rw", "haproxy1")
    with socket.socket() as listener:
        listener.bind((endpoint.host, endpoint.port))
        listener.listen()
        yield endpoint.port


def test_port_taken_names_port_and_process(sandboxed: Sandboxed, taken_port: int) -> None:
    """A port that another process holds is refused with its number and the process."""
    topology, home = sandboxed
    message = refused(invoke(home, "up"))
    assert str(taken_port) in message
    assert "python" in message
    assert objects(topology) == []


@pytest.fixture
def foreign_volume(sandboxed: Sandboxed) -> Iterator[str]:
    """A volume that a cluster of the same name and another authority has left."""
    cluster = sandboxed[0].settings.cluster_name
    name = f"{cluster}_data-pg1"
    labels = {"cluster": cluster, "ca": "0123456789abcdef"}
    options = [f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()]
    engine.docker("volume", "create", *options, name)
    yield name
    engine.docker("volume", "rm", name)


def test_volume_of_another_authority(sandboxed: Sandboxed, foreign_volume: str) -> None:
    """A volume made under another CA is named, with that CA; nothing is started."""
    topology, home = sandboxed
    message = refused(invoke(home, "up"))
    assert foreign_volume in message
    assert "0123456789abcdef" in message
    assert objects(topology) == []


def test_destroy_leaves_what_is_not_ours(sandboxed: Sandboxed, foreign_volume: str) -> None:
    """`destroy` removes nothing that another authority made, whatever its name."""
    _, home = sandboxed
    done = invoke(home, "destroy", "--yes")
    assert done.returncode == 0, done.stderr
    assert engine.inspect("volume", foreign_volume)


def test_engine_that_does_not_answer(sandboxed: Sandboxed) -> None:
    """Without an engine, `up` says so and how to start one."""
    message = refused(invoke(sandboxed[1], "up", DOCKER_HOST="unix:///nonexistent.sock"))
    assert "./bootstrap" in message


@pytest.mark.parametrize(("limit", "word"), [("MEMORY_BYTES", "Mémoire"), ("DISK_BYTES", "Disque")])
def test_not_enough_room(
    sandboxed: Sandboxed, monkeypatch: pytest.MonkeyPatch, limit: str, word: str
) -> None:
    """More memory or disk than the machine has: refused, with what is there and needed."""
    monkeypatch.setattr(preflight, limit, 2**60)
    with pytest.raises(CitadelleError, match=f"{word} insuffisant"):
        preflight.check(*sandboxed)


def test_destroy_without_confirmation(sandboxed: Sandboxed) -> None:
    """`destroy` with a wrong answer removes nothing and says so."""
    message = refused(invoke(sandboxed[1], "destroy", stdin="oui\n"))
    assert "Rien n'a été supprimé" in message
