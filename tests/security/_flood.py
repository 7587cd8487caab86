"""A flood from one address, and honest writers at the same time."""

from __future__ import annotations

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from citadelle import connect, engine, images
from citadelle.topology import HAPROXY, PGBOUNCER, Topology
from citadelle.workspace import Home

SCRIPT = Path(__file__).with_name("_attack.py")
# How an attacker speaks, and for how many seconds: longer than each door's patience (10 s).
MODES = {"muet": 20, "tls-inachevé": 20, "inintelligible": 8, "sans-mot-de-passe": 26}
# Thousands of TLS handshakes would exhaust the attacker, not the door.
HANDSHAKES = 150
# The first attacker's address, past the nodes' and what the engine gives by itself. Each way has
# its own: what one did counts against its address for a while.
ATTACKER_HOST = 200
# Between two writes of an honest writer.
PAUSE_SECONDS = 0.05
# How long a writer may take to end its last write.
END_SECONDS = 30.0


@dataclass(frozen=True)
class Door:
    """One door under attack: how many connections are tried, and how many one address gets."""

    name: str
    node: str
    port: int
    count: int
    limit: int
    https: bool = False


def doors(topology: Topology) -> list[Door]:
    """Return every published door; each is tried well past its limit."""
    s = topology.settings
    direct, pooled = s.haproxy_clients_per_address, s.pgbouncer_clients_per_address
    rows = [
        *(Door(f"rw@{n}", n, s.haproxy_rw_port, 2 * direct, direct) for n in HAPROXY),
        *(Door(f"ro@{n}", n, s.haproxy_ro_port, 2 * direct, direct) for n in HAPROXY),
        *(Door(f"admin@{n}", n, s.haproxy_admin_port, 30, 10, https=True) for n in HAPROXY),
        *(Door(f"pooled@{n}", n, s.pgbouncer_port, pooled + 100, pooled) for n in PGBOUNCER),
    ]
    return list(rows)


def attack(topology: Topology, mode: str) -> dict[str, dict[str, Any]]:
    """Flood every door at once from one address; return what each granted, by its name."""
    targets = [
        {
            "name": door.name,
            "host": str(topology.address(door.node, "front")),
            "port": door.port,
            "count": min(door.count, HANDSHAKES) if mode == "sans-mot-de-passe" else door.count,
            "https": door.https,
            "user": topology.settings.app_user,
        }
        for door in doors(topology)
    ]
    orders = {"mode": mode, "seconds": MODES[mode], "targets": targets}
    cluster = topology.settings.cluster_name
    argv = ["run", "--rm", "--interactive", "--read-only", "--cap-drop=ALL"]
    source = topology.subnets["front"][ATTACKER_HOST + list(MODES).index(mode)]
    argv += [f"--network={cluster}_front", f"--ip={source}"]
    argv += ["--ulimit=nofile=8192", images.name(topology, "tools"), "python3", "-"]
    said = engine.docker(*argv, json.dumps(orders), stdin=SCRIPT.read_bytes(), seconds=120)
    return {row["name"]: row for row in json.loads(said)}


@dataclass
class Writer:
    """Honest writes, one after the other: by a kept connection, or by a new one each time."""

    topology: Topology
    home: Home
    service: str
    kept: bool
    began: float = 0.0
    ended: float = 0.0
    written: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        # A write that never ends must not hold pytest, too.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Write until told to stop."""
        self.began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Begin no other write."""
        self.ended = time.monotonic()
        self.over.set()

    def join(self) -> None:
        """Wait for the last write, but not for ever: see :meth:`stuck`."""
        self._thread.join(END_SECONDS)

    def stuck(self) -> bool:
        """Tell whether the last write has still not ended."""
        return self._thread.is_alive()

    def _run(self) -> None:
        """Write; an error is kept, and ends nothing."""
        while not self.over.is_set():
            try:
                with connect.connection(self.topology, self.home, self.service) as connection:
                    self._write(connection)
            except psycopg.Error as error:
                self.errors.append(str(error).strip().splitlines()[0])

    def _write(self, connection: psycopg.Connection[Any]) -> None:
        while not self.over.is_set():
            connection.execute("INSERT INTO citadelle_flot VALUES (now())")
            self.written.append(time.monotonic())
            self.over.wait(PAUSE_SECONDS)
            if not self.kept:
                return

    def longest_gap(self) -> float:
        """Return the longest time without an acknowledged write, in seconds.

        Before the first one and after the last one, too: writes may stop for good.
        """
        moments = [self.began, *self.written, self.ended]
        return max(after - before for before, after in itertools.pairwise(moments))


def under_load(topology: Topology, home: Home, mode: str) -> tuple[dict[str, Any], list[Writer]]:
    """Attack while honest clients write by both paths, from another address."""
    writers = [
        Writer(topology, home, "pooled", kept=True),
        Writer(topology, home, "pooled", kept=False),
        Writer(topology, home, "rw", kept=True),
        Writer(topology, home, "rw", kept=False),
    ]
    with connect.connection(topology, home, "rw") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS citadelle_flot (at timestamptz)")
    for writer in writers:
        writer.start()
    try:
        return attack(topology, mode), writers
    finally:
        for writer in writers:
            writer.stop()
        for writer in writers:
            writer.join()
