"""Commands whose output is too large, or too secret, to be kept or shown.

``engine.docker`` keeps a whole output and quotes its end when the command fails; a log or an
image may hold the very secret that is looked for.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from citadelle import engine
from citadelle.errors import CitadelleError

BLOCK = 1 << 20


@contextmanager
def command(
    argv: Sequence[str], *, stdin: bytes | None = None, both: bool = False
) -> Iterator[IO[bytes]]:
    """Run a command; yield its standard output as it comes, with the errors if ``both``.

    ``stdin`` must fit in a pipe's buffer (64 KiB, pipe(7)): it is written before anything is
    read.

    Raises:
        CitadelleError: when the command fails; what it said is not repeated.
    """
    source = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    errors = subprocess.STDOUT if both else subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=source, stdout=subprocess.PIPE, stderr=errors) as process:
        if process.stdin is not None:
            process.stdin.write(stdin or b"")
            process.stdin.close()
        assert process.stdout is not None  # noqa: S101  # asked for above
        try:
            yield process.stdout
            for _ in blocks(process.stdout):  # a reader may stop before the end
                continue
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise CitadelleError(f"{' '.join(argv[:2])} a échoué (code {process.returncode}).")


def docker(*argv: str) -> list[str]:
    """Return the command line of ``docker``."""
    return [engine.client(), *argv]


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is left of a file."""
    while block := file.read(BLOCK):
        yield block
