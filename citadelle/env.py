"""Make ``.env`` from ``.env.example``, with random secrets, when it is missing."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from citadelle.settings import FIELDS
from citadelle.workspace import ROOT, Home

EXAMPLE = ROOT / ".env.example"
ALPHABET = string.ascii_letters + string.digits
# 32 letters out of 62 hold 190 bits, above the 128 that ANSSI's guide asks of keys.
SECRET_LENGTH = 32


def create(home: Home, overrides: Mapping[str, str] | None = None) -> bool:
    """Write ``.env`` (mode 0600) unless it exists; return whether it was written."""
    if home.env_file.exists():
        return False
    home.path.mkdir(parents=True, exist_ok=True)
    text = fill(EXAMPLE.read_text(encoding="utf-8"), overrides or {})
    _write_private(home.env_file, text)
    return True


def fill(example: str, overrides: Mapping[str, str]) -> str:
    """Return the example's text with its secrets drawn and the overrides in place."""
    lines = []
    for line in example.splitlines(keepends=True):
        name, equals, _ = line.partition("=")
        if equals and name in overrides:
            lines.append(f"{name}={overrides[name]}\n")
        elif equals and name in FIELDS and FIELDS[name].metadata["kind"] == "secret":
            lines.append(f"{name}={draw()}\n")
        else:
            lines.append(line)
    return "".join(lines)


def defaults() -> dict[str, str]:
    """Return the values of ``.env.example``; a secret's is empty."""
    return {name: value or "" for name, value in dotenv_values(EXAMPLE, interpolate=False).items()}


def draw() -> str:
    """Return a random secret of the safe alphabet."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))


def _write_private(path: Path, text: str) -> None:
    """Write a file that never exists half-written nor readable by others."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    partial.replace(path)
