"""`invoke fencer`: wait for ends of PostgreSQL containers, judge each once.

Two sources: the engine's event stream, for speed, and a look every POLL_SECONDS as a net. Nothing
else is a reason to act: not a container that runs, is paused or is silent, nor an engine that
does not answer.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from citadelle import engine, pki
from citadelle.errors import CitadelleError
from citadelle.fencer import fence, heartbeat
from citadelle.fencer.fence import Hands, Verdict
from citadelle.fencer.pods import Pod
from citadelle.signals import terminated_as_interrupted
from citadelle.topology import PG, Topology
from citadelle.workspace import Home

# The net; an end that the stream missed waits this much more, still far below the lease.
POLL_SECONDS = 5.0


def say(text: str) -> None:
    """Write one line with its time, whoever reads it (a terminal, systemd's journal)."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(f"{now} {text}", flush=True)  # a service's log


def require(topology: Topology) -> None:
    """Raise CitadelleError unless .env asks for a fencer."""
    if topology.settings.fencer != "oui":
        raise CitadelleError("FENCER=non dans .env : mettez FENCER=oui pour vous en servir.")


def run(topology: Topology, home: Home) -> None:
    """Watch until interrupted.

    Raises:
        CitadelleError: at once when .env says no, or when another fencer watches this cluster.
    """
    require(topology)
    engine.client()  # not there at all: said at once, rather than waited for
    watcher = Watcher(fence.hands(topology, pki.fingerprint(home), say))
    with terminated_as_interrupted(), heartbeat.only_one(home) as beat:
        say(f"fencer de « {topology.settings.cluster_name} » : veille")
        try:
            with _stream(topology, home) as noticed:
                while True:
                    beat()
                    watcher.turn(_next(noticed))
        except KeyboardInterrupt:
            say("fencer : fin de la veille")


class Watcher:
    """What was already judged, and the last trouble, so that neither is told twice."""

    def __init__(self, tools: Hands) -> None:
        self.tools = tools
        self.judged: set[tuple[str, str]] = set()
        self.trouble = ""

    def turn(self, noticed: str) -> None:
        """Look once; ``noticed`` is the identity of a container whose end was announced, if any."""
        try:
            seen = self.tools.look()
            for ended in _ends(seen, noticed):
                self._once(ended, seen)
        except CitadelleError as error:
            self._troubled(" ".join(str(error).split()))
        else:
            self._troubled("")

    def _once(self, ended: Pod, seen: Mapping[str, Pod]) -> None:
        key = ended.identity, ended.finished
        if key in self.judged or fence.judge(ended, seen, self.tools) is Verdict.NOT_NOW:
            return
        self.judged.add(key)
        # The fencer's own kill was announced too.
        if now := self.tools.look().get(ended.node):
            self.judged.add((now.identity, now.finished))

    def _troubled(self, reason: str) -> None:
        if reason and reason != self.trouble:
            self.tools.say(f"échec, nouvel essai dans {POLL_SECONDS:.0f} s : {reason}")
        self.trouble = reason


def _ends(seen: Mapping[str, Pod], noticed: str) -> list[Pod]:
    """Return the containers that ended, those that the engine revived since only if announced."""
    return [pod for pod in seen.values() if pod.ended or pod.identity == noticed]


def _next(noticed: queue.Queue[str]) -> str:
    try:
        return noticed.get(timeout=POLL_SECONDS)
    except queue.Empty:
        return ""


@contextmanager
def _stream(topology: Topology, home: Home) -> Iterator[queue.Queue[str]]:
    """Follow the engine's announcements in the background, again and again, until the end."""
    noticed: queue.Queue[str] = queue.Queue()
    over = threading.Event()
    current: list[subprocess.Popen[str]] = []
    argv = _argv(topology, pki.fingerprint(home))

    def follow() -> None:
        while not over.is_set():
            with engine.follow(*argv) as process:
                current[:] = [process]
                for line in process.stdout or ():
                    noticed.put(line.strip())
            # The engine restarts, or is away: the net's rhythm is enough to ask again.
            over.wait(POLL_SECONDS)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield noticed
    finally:
        over.set()
        for process in current:
            process.terminate()
        thread.join(timeout=POLL_SECONDS)


def _argv(topology: Topology, ca: str) -> list[str]:
    cluster = topology.settings.cluster_name
    filters = [f"label=fr.citadelle.cluster={cluster}", f"label=fr.citadelle.ca={ca}"]
    filters += ["type=container", "event=die", *(f"container={cluster}-{node}" for node in PG)]
    return ["events", *(f"--filter={text}" for text in filters), "--format={{.ID}}"]
