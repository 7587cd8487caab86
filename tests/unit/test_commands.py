"""What every command does of an interruption, of a missing terminal, of its arguments."""

from __future__ import annotations

import os
import signal

import pytest
from invoke.exceptions import Exit

from citadelle import engine, lifecycle, status
from citadelle.commands import shared, terminals
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit import factory

CLUSTER = factory.topology()


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_end_of_the_session_is_an_interruption(number: signal.Signals) -> None:
    """An SSH session that drops during `roll`: what was begun is undone, and it is said."""
    undone = []

    def command() -> None:
        with shared.operator():
            try:
                os.kill(os.getpid(), number)
            finally:
                undone.append(number)

    with pytest.raises(Exit) as ended:
        command()

    assert (ended.value.code, undone) == (130, [number])


def test_no_terminal_to_confirm() -> None:
    """`destroy` from a script without --yes."""
    with pytest.raises(Exit) as ended, shared.operator():
        raise EOFError

    assert ended.value.code == 2
    assert "pas de terminal" in str(ended.value)


def test_arguments_are_parted_as_by_a_shell() -> None:
    """A quoted one stays whole."""
    assert terminals.words('get "une clé" --prefix') == ["get", "une clé", "--prefix"]
    with pytest.raises(CitadelleError, match="guillemet"):
        terminals.words('get "une clé')


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the engine is asked to do."""
    found: list[tuple[str, ...]] = []
    monkeypatch.setattr(engine, "docker", lambda *argv, **_: found.append(argv))
    monkeypatch.setattr(lifecycle, "_wait_healthy", lambda *_: None)
    return found


@pytest.mark.parametrize("node", ["pg1-net", "pgbouncer1-net", "pg1-gw", "pg9"])
def test_restart_takes_machines_only(
    ready_home: Home, asked: list[tuple[str, ...]], node: str
) -> None:
    """A network that restarts is another one: those that live in it stay in the dead one."""
    with pytest.raises(CitadelleError, match=f"Machine inconnue : {node}"):
        lifecycle.restart(CLUSTER, ready_home, node)

    assert asked == []


def test_restart_leaves_the_network(ready_home: Home, asked: list[tuple[str, ...]]) -> None:
    """PostgreSQL and its gateway."""
    lifecycle.restart(CLUSTER, ready_home, "pg1")

    assert asked == [("restart", "--time=60", "citadelle-pg1", "citadelle-pg1-gw")]


def test_down_without_its_memory(
    ready_home: Home, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """build/ came back from a backup of its certificates: what runs is stopped all the same."""
    running = {"pg1": {"State": {"Status": "running"}}}
    monkeypatch.setattr(status, "inspected", lambda *_: running)
    monkeypatch.setattr("citadelle.images.tag", lambda _: "etiquette")
    monkeypatch.setattr("citadelle.wan.line.remove", lambda *_: None)
    lifecycle.down(CLUSTER, ready_home)
    ready_home.compose_env.unlink()

    assert [argv[-1] for argv in asked] == ["pg3", "down"]
