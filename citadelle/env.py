"""Make ``.env`` from ``.env.example``, with random secrets, or add what it does not have yet."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Collection, Mapping

from dotenv import dotenv_values

from citadelle import files, settings
from citadelle.errors import CitadelleError
from citadelle.settings import FIELDS
from citadelle.workspace import ROOT, Home

EXAMPLE = ROOT / ".env.example"
ALPHABET = string.ascii_letters + string.digits
# 32 letters out of 62 hold 190 bits, above the 128 that ANSSI's guide asks of keys.
SECRET_LENGTH = 32
# Comments, but for a section's rule, and the variables that they explain.
PARAGRAPH = re.compile(r"((?:^# (?!---).*\n)*)((?:^[A-Z0-9_]+=.*\n)+)", re.MULTILINE)
# Above what was added to an older file, whose own lines stay as they are.
ADDED = "\n# --- Ajouté par « invoke env » : absent jusque-là, valeurs de .env.example\n"


def create(home: Home, overrides: Mapping[str, str] | None = None) -> bool:
    """Write ``.env`` (mode 0600) unless it exists; return whether it was written.

    Raises:
        CitadelleError: when it cannot be written.
    """
    if home.env_file.exists():
        return False
    text = fill(EXAMPLE.read_text(encoding="utf-8"), overrides or {})
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        files.replace(home.env_file, text.encode(), 0o600)
    except OSError as error:
        raise CitadelleError(f"{home.env_file} : écriture impossible ({error.strerror}).") from None
    return True


def complete(home: Home) -> list[str]:
    """Append to an existing ``.env`` what it lacks of the example; return the variables' names.

    A new version of the project may bring variables, and none has a default besides the
    example's. Nothing that is there is touched: not a line, nor the file's mode or owner.

    Raises:
        CitadelleError: as :func:`citadelle.settings.load` does for a file that cannot be read,
            or when it cannot be written; nothing was added then.
    """
    missing = settings.missing(home.env_file)
    if not missing:
        return []
    text = fill(_excerpt(EXAMPLE.read_text(encoding="utf-8"), missing), {})
    unfinished = home.env_file.read_bytes()[-1:] not in (b"", b"\n")
    try:
        with home.env_file.open("a", encoding="utf-8") as stream:
            stream.write(("\n" if unfinished else "") + ADDED + text)
    except OSError as error:
        raise CitadelleError(f"{home.env_file.name} : {error.strerror}, rien d'ajouté.") from None
    return missing


def _excerpt(example: str, names: Collection[str]) -> str:
    """Return the lines of these variables, each group below its comments."""
    kept: list[str] = []
    for comments, variables in PARAGRAPH.findall(example):
        lines = variables.splitlines(keepends=True)
        if wanted := [line for line in lines if line.partition("=")[0] in names]:
            kept += [comments, *wanted]
    return "".join(kept)


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
