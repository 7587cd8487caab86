"""A fencer beside a run of faults: the operator's, or one of the run's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from citadelle.errors import CitadelleError
from citadelle.fencer import heartbeat, watch
from citadelle.progress import wait_until
from citadelle.topology import Topology
from citadelle.workspace import HOME_VARIABLE, ROOT, Home

# Python and Invoke on two busy cores; then Ctrl-C's way out of the watch.
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@contextmanager
def alongside(topology: Topology, home: Home, log: Path) -> Iterator[None]:
    """Have a fencer watch while the block runs; what one of its own says goes to ``log``.

    It is a process of its own, as an operator's is: the load's threads do not slow it down.

    Raises:
        CitadelleError: when .env wants none, or it does not come up.
    """
    watch.require(topology)
    if heartbeat.last(home) is not None:
        yield
        return
    argv = [sys.executable, "-m", "invoke", "fencer"]
    environment = {**os.environ, HOME_VARIABLE: str(home.path)}
    log.parent.mkdir(parents=True, exist_ok=True)
    # A session of its own: Ctrl-C is for the run, which ends the fencer when all is restored.
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(process, home, log)
            yield
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], home: Home, log: Path) -> None:
    def missing() -> str | None:
        if process.poll() is not None:
            raise CitadelleError(f"Le fencer s'est arrêté aussitôt : voir {log}.")
        return None if heartbeat.last(home) is not None else "pas encore de signe de vie"

    wait_until(missing, "Fencer", START_SECONDS, f"Voir {log}.", poll=0.2)
