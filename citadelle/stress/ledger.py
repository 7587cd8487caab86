"""What the clients know of their writes, on the operator's disk: one file per client.

A client writes its file in the order of its sequences, so that the whole ledger is read in the
primary key's order without sorting anything, and memory stays flat however long the run.
"""

from __future__ import annotations

import shutil
import struct
import time
import uuid
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

# Outcome, client, sequence, seconds since 1970, IPv4 address of the server, timeline.
RECORD = struct.Struct("<BIQdII")
# Read and written by this many bytes at a time, a multiple of a record.
CHUNK = RECORD.size * 2048


class Outcome(IntEnum):
    """What the application was told of a write that it sent."""

    ACKNOWLEDGED = 1
    REFUSED = 2  # an error that says that nothing was written
    DOUBT = 3  # no answer, or one that leaves both possible


class Entry(NamedTuple):
    """One write that was sent; ``server`` (IPv4 as a number) and ``timeline`` are 0 if unknown."""

    outcome: int
    client: int
    sequence: int
    at: float
    server: int = 0
    timeline: int = 0


class Book:
    """The file of one client: append-only, buffered."""

    def __init__(self, path: Path, client: int) -> None:
        self.client = client
        self.sent = 0
        self._file = path.open("xb", buffering=CHUNK)

    def append(self, outcome: Outcome, sequence: int, server: int = 0, timeline: int = 0) -> None:
        """Record how one write ended, now."""
        at = time.time()
        self.sent = sequence
        self._file.write(RECORD.pack(outcome, self.client, sequence, at, server, timeline))

    def flush(self) -> None:
        """Hand what is buffered to the system; harmless once closed."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Write the rest."""
        self._file.close()


class Ledger:
    """The files of one run, in a directory of its own (created)."""

    def __init__(self, directory: Path, clients: int) -> None:
        self.run = uuid.uuid4()
        self.directory = directory / str(self.run)
        self.directory.mkdir(parents=True)
        self.books = [Book(self._path(client), client) for client in range(clients)]

    def flush(self) -> None:
        """Flush every file."""
        for book in self.books:
            book.flush()

    def close(self) -> None:
        """Write the rest of every file."""
        for book in self.books:
            book.close()

    def sent(self) -> dict[int, int]:
        """Return the last sequence of each client; 0 when it sent nothing."""
        return {book.client: book.sent for book in self.books}

    def entries(self) -> Iterator[Entry]:
        """Yield every write that was sent, by client then sequence; flush or close first."""
        for book in self.books:
            with self._path(book.client).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield from map(Entry._make, RECORD.iter_unpack(chunk))

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.directory)

    def _path(self, client: int) -> Path:
        return self.directory / f"{client:05}.bin"
