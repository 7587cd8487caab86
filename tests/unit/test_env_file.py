"""The file ``.env`` itself: how it is read, and when it is refused unread."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import settings
from citadelle.errors import CitadelleError
from tests.unit.env_files import write_env


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """Return a valid ``.env`` that the test may spoil."""
    return write_env(tmp_path)


def refusal(env_file: Path) -> str:
    """Return the message with which the file is refused."""
    with pytest.raises(CitadelleError) as error:
        settings.load(env_file)
    return str(error.value)


def append(env_file: Path, line: str) -> int:
    """Add a line and return its number."""
    env_file.write_text(f"{env_file.read_text()}{line}\n")
    return len(env_file.read_text().splitlines())


def test_valid_file_is_read(env_file: Path) -> None:
    """Comments, blank lines and quotes are those of any .env."""
    append(env_file, "\n# remarque")

    assert settings.load(env_file).bind_address == "127.0.0.1"


def test_absent_file_says_what_to_do(tmp_path: Path) -> None:
    """The first command of a new operator."""
    assert refusal(tmp_path / ".env") == ".env absent : lancez « invoke env » pour le créer."


def test_duplicate_line_is_refused(env_file: Path) -> None:
    """The last one would win silently."""
    line = append(env_file, "PG_PORT=5433")

    assert refusal(env_file) == f".env : ligne {line} : PG_PORT est défini deux fois"


@pytest.mark.parametrize("text", ["PG_PORT", "= 5432", "'", "PG_PORT 5432"])
def test_unreadable_line_is_refused(env_file: Path, text: str) -> None:
    """It is named by its number: its text may hold a secret."""
    line = append(env_file, text)

    assert refusal(env_file) == f".env : ligne {line} illisible (attendu : NOM=valeur)"


def test_value_is_not_interpolated(env_file: Path) -> None:
    """``$`` means nothing in .env: a value is what is written."""
    env_file.write_text(env_file.read_text().replace("DEBIAN_MIRROR=", "DEBIAN_MIRROR=a${PG_PORT}"))

    assert settings.load(env_file).debian_mirror == "a${PG_PORT}"


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o644, 0o777])
def test_file_open_to_others_is_refused(env_file: Path, mode: int) -> None:
    """Every secret of the cluster is in it: one account reads and writes it."""
    env_file.chmod(mode)

    assert refusal(env_file) == (
        f".env est ouvert à d'autres comptes (mode {mode:04o}) : lancez « chmod 600 {env_file} »."
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_file_is_read(env_file: Path, mode: int) -> None:
    """Its owner may also protect it against himself."""
    env_file.chmod(mode)

    assert settings.load(env_file).cluster_name == "citadelle"


def test_file_that_is_not_text(tmp_path: Path) -> None:
    """A .env in another encoding is refused in French, not with a traceback."""
    path = tmp_path / ".env"
    path.write_bytes(b"CLUSTER_NAME=\xe9\n")
    path.chmod(0o600)
    with pytest.raises(CitadelleError, match="UTF-8"):
        settings.load(path)
