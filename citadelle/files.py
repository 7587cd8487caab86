"""Files that are never half written, whatever happens to the process or to the machine."""

from __future__ import annotations

import os
from pathlib import Path


def replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file beside its place, then rename it over (POSIX ``rename`` is atomic).

    The temporary name is fixed, so that a killed run leaves at most one.
    """
    temporary = path.with_name(f"{path.name}.partial")
    temporary.unlink(missing_ok=True)
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())  # renamed before its data is on disk, it could be empty
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
