"""Ctrl-C, a polite kill, a closed terminal: for what must be undone or ended in any case."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A polite kill, the end of an SSH session. Whoever had them ignored (nohup) keeps that.
ENDINGS = (signal.SIGTERM, signal.SIGHUP)
SIGNALS = (signal.SIGINT, *ENDINGS)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no interruption but SIGKILL cut short what must be done whatever happens."""
    kept = {n: signal.signal(n, signal.SIG_IGN) for n in SIGNALS}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Make a polite kill of the task undo what it must, like Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    heard = [n for n in ENDINGS if signal.getsignal(n) is not signal.SIG_IGN]
    kept = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
