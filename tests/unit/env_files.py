"""Ways to write a ``.env`` and to hear why one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import settings
from citadelle.errors import CitadelleError
from tests.unit import factory

# Long enough, of safe letters, and worthless.
WEAK = "abababababababababababab"


def write_env(path: Path, **overrides: str) -> Path:
    """Write the ``.env`` of a home, readable by its owner alone."""
    file = path / ".env"
    file.touch(mode=0o600)
    file.write_text("".join(f"{k}={v}\n" for k, v in factory.env(**overrides).items()))
    return file


def refusal(**overrides: str) -> str:
    """Return the message with which these variables are refused."""
    with pytest.raises(CitadelleError) as error:
        settings.parse(factory.env(**overrides))
    return str(error.value)
