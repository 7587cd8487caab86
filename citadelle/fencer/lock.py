"""The primary's lock, asked for through the pods that are left (:mod:`citadelle.fencer.inside`)."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.fencer import inside

PYTHON = "/opt/patroni/bin/python3"
SOURCE = Path(inside.__file__).read_text(encoding="utf-8")
# Three members that do not answer (inside.MEMBER_SECONDS) and the start of Python on a busy core.
READ_SECONDS = 15.0
RELEASE_SECONDS = 6.0
END_SECONDS = 5.0


@dataclass(frozen=True)
class Lock:
    """Patroni's lock: holder (empty: nobody), its revision in etcd; /sync; maintenance mode."""

    holder: str
    revision: str
    synchronous: str
    standbys: tuple[str, ...]
    paused: bool


class Question(Protocol):
    """The lock as it was read, and the way to end that very lock."""

    @property
    def lock(self) -> Lock:
        """What was read."""

    def release(self) -> bool:
        """End it; tell whether it was still there, untouched."""


@dataclass(frozen=True)
class Conversation:
    """A question put through one pod, which waits for what to do with the answer."""

    process: subprocess.Popen[bytes]
    lock: Lock

    def release(self) -> bool:
        """End this very lock; tell whether it was still there, untouched.

        Raises:
            CitadelleError: when no answer comes: it may have been ended, or not.
        """
        order = cast("IO[bytes]", self.process.stdin)
        try:
            order.write(f"{self.lock.holder} {self.lock.revision}\n".encode())
            order.flush()
        except BrokenPipeError:
            raise CitadelleError("Verrou : le pod interrogé ne répond plus.") from None
        return bool(_answer(self.process, RELEASE_SECONDS))


@contextmanager
def asked(containers: Sequence[str]) -> Iterator[Conversation]:
    """Read the lock through the first of these containers that can, and stay in touch with it.

    Raises:
        CitadelleError: when none can reach a majority of etcd.
    """
    reason = "aucun autre pod PostgreSQL en marche"
    for container in containers:
        process = engine.converse(container, PYTHON, "-c", SOURCE)
        try:
            found = _answer(process, READ_SECONDS)
        except CitadelleError as error:
            reason = str(error)
            _end(process)
            continue
        try:
            yield Conversation(process, Lock(**found | {"standbys": tuple(found["standbys"])}))
        finally:
            _end(process)
        return
    raise CitadelleError(f"Verrou illisible : {reason}")


def _answer(process: subprocess.Popen[bytes], seconds: float) -> Any:  # noqa: ANN401  # JSON
    """Return the next line that the pod says, within some seconds."""
    source = cast("IO[bytes]", process.stdout)
    deadline, said = time.monotonic() + seconds, b""
    while not said.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([source], [], [], left)[0]:
            raise CitadelleError(f"pas de réponse en {seconds:.0f} s")
        if not (more := os.read(source.fileno(), 65536)):
            raise CitadelleError(" ".join(said.decode(errors="replace").split()) or "sans un mot")
        said += more
    try:
        return json.loads(said)
    except ValueError:
        raise CitadelleError(" ".join(said.decode(errors="replace").split())) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Say no more; what waits for an order then ends without one."""
    with process:
        if process.stdin is not None:
            # An order that could not be sent is still in its buffer.
            with suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
