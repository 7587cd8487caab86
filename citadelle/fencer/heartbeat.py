"""Is a fencer at work? A file that it touches, and a lock that the kernel drops with it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from citadelle.errors import CitadelleError
from citadelle.workspace import Home

# Without a beat for this long, whoever holds the lock is stuck: longer than the longest judgment
# (lock.READ_SECONDS for two survivors, fence.DEATH_SECONDS, lock.RELEASE_SECONDS).
STALE_SECONDS = 60.0
WIDTH = 80


@dataclass(frozen=True)
class Beat:
    """The last sign of life: the process, and the seconds since."""

    pid: int
    age_seconds: float


def file(home: Home) -> Path:
    """Return where the sign of life is."""
    return home.build / "fencer.json"


@contextmanager
def only_one(home: Home) -> Iterator[Callable[[], None]]:
    """Hold the home's lock and yield how to give a sign of life.

    Raises:
        CitadelleError: when another process holds it.
    """
    home.build.mkdir(parents=True, exist_ok=True)
    # Not for appending: such a file takes every write at its end, whatever its place (pwrite(2)).
    with os.fdopen(os.open(file(home), os.O_RDWR | os.O_CREAT, 0o644), "r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CitadelleError(
                "Un fencer veille déjà sur ce cluster (voir « invoke status »)."
            ) from None

        def beat() -> None:
            said = json.dumps({"pid": os.getpid(), "time": time.time()})
            # One write of one length: whoever reads meanwhile sees the old or the new.
            os.pwrite(stream.fileno(), said.ljust(WIDTH).encode(), 0)

        beat()
        yield beat


def last(home: Home) -> Beat | None:
    """Return the sign of life of the fencer at work; None when there is none, or it is stuck."""
    try:
        with file(home).open(encoding="utf-8") as stream:
            if _free(stream.fileno()):
                return None
            said = json.load(stream)
    except (FileNotFoundError, ValueError):
        return None
    found = Beat(int(said["pid"]), time.time() - float(said["time"]))
    return found if found.age_seconds < STALE_SECONDS else None


def _free(descriptor: int) -> bool:
    """Tell whether nobody holds the lock; taken and dropped at once."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
