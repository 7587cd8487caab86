"""Containers killed, stopped, frozen, and brought back to life, through the engine."""

from __future__ import annotations

from typing import Any

from citadelle import engine
from citadelle.chaos import processes
from citadelle.chaos.fault import Field
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER

# compose.yaml gives PostgreSQL as much (`stop_grace_period`).
STOP_SECONDS = 60
ENGINE_SECONDS = 120
# Gateways before PostgreSQL: a woken primary then meets at once whoever still knows its address.
ORDER = (*ETCD, *(f"{node}-gw" for node in PG), *PG, *HAPROXY, *PGBOUNCER)


def pod(node: str) -> tuple[str, str]:
    """Return the containers that live in a PostgreSQL node's network, its holder excepted."""
    return node, f"{node}-gw"


def kill(field: Field, *names: str) -> None:
    """SIGKILL: everything in them dies at once and, unlike after a crash, stays dead."""
    _engine(field, names, "kill")


def stop(field: Field, *names: str) -> None:
    """Stop them as a clean shutdown of the machine does."""
    _engine(field, names, "stop", f"--time={STOP_SECONDS}")


def pause(field: Field, *names: str) -> None:
    """Freeze every process; the kernel goes on answering for their sockets."""
    _engine(field, names, "pause")


def stop_init(field: Field, name: str) -> None:
    """SIGSTOP to process 1, from outside: from inside, the kernel protects it.

    The engine then takes the container for stopped by hand and drops its health checks (moby
    20.10, daemon/kill.go): only a restart of the container brings both back.
    """
    field.frozen.add(name)
    _engine(field, (name,), "kill", "--signal=STOP")


def _engine(field: Field, names: tuple[str, ...], *argv: str) -> None:
    field.touched.update(names)
    containers = (field.container(name) for name in names)
    engine.docker(*argv, *containers, seconds=ENGINE_SECONDS)


def state(field: Field, name: str) -> dict[str, Any]:
    """Return what the engine says of a container's state."""
    found: dict[str, Any] = engine.inspect("container", field.container(name))[0]["State"]
    return found


def revive(field: Field) -> None:
    """Wake, start or thaw whatever was touched; what runs already is left alone."""
    for name in (name for name in ORDER if name in field.touched):
        seen = state(field, name)
        container = field.container(name)
        if seen["Paused"]:
            engine.docker("unpause", container)
        elif not seen["Running"]:
            engine.docker("start", container)
        elif name in field.frozen:
            _thaw(container)


def _thaw(container: str) -> None:
    if processes.init_is_stopped(container):
        engine.docker("kill", "--signal=CONT", container)
        engine.docker("restart", f"--time={STOP_SECONDS}", container, seconds=ENGINE_SECONDS)
    else:
        processes.thaw(container)
