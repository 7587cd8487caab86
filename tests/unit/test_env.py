"""``.env.example`` says everything, and ``invoke env`` makes a private ``.env`` of it."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from citadelle import env, settings
from citadelle.settings import FIELDS
from citadelle.variables import SECRET_ALPHABET, SECRET_MIN_LENGTH
from citadelle.workspace import Home

EXAMPLE = env.EXAMPLE.read_text(encoding="utf-8")
SECRETS = [name for name, field in FIELDS.items() if field.metadata["kind"] == "secret"]
# Words that hardly any French sentence does without.
FRENCH = re.compile(r"\b(le|la|les|de|des|du|d'|l'|un|une|et|par|au|en|ou|entre)\b|[éèàêç]", re.I)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with nothing in it, not even its directory."""
    return Home(tmp_path / "home")


def filled(**overrides: str) -> dict[str, str | None]:
    """Return the variables of a filled example, as any reader of .env sees them."""
    text = env.fill(EXAMPLE, overrides)
    return dotenv_values(stream=StringIO(text), interpolate=False)


def comment_above(name: str) -> str:
    """Return the comments of a variable's paragraph, before it; section rules do not count."""
    before, _, _ = EXAMPLE.partition(f"\n{name}=")
    paragraph = before.rpartition("\n\n")[2].splitlines()
    return "\n".join(line for line in paragraph if re.match(r"# (?!---)", line))


def test_example_lists_the_settings_in_order() -> None:
    """The documentation of the variables is the list of the variables."""
    assert list(dotenv_values(env.EXAMPLE)) == list(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_variable_has_a_french_comment(name: str) -> None:
    """No variable stands without an explanation for operators."""
    assert FRENCH.search(comment_above(name))


@pytest.mark.parametrize("name", SECRETS)
def test_example_holds_no_secret(name: str) -> None:
    """A secret in the example would be everybody's."""
    assert env.defaults()[name] == ""


def test_filled_example_is_valid(home: Home) -> None:
    """``invoke env`` alone gives a usable cluster."""
    env.create(home)

    assert settings.load(home.env_file).cluster_name == "citadelle"


def test_created_file_is_private(home: Home) -> None:
    """No other account reads the secrets."""
    env.create(home)

    assert home.env_file.stat().st_mode & 0o777 == 0o600


def test_existing_file_is_never_touched(home: Home) -> None:
    """Its secrets are those of a living cluster."""
    home.path.mkdir()
    home.env_file.write_text("A=1\n")

    assert (env.create(home), home.env_file.read_text()) == (False, "A=1\n")


def test_no_partial_file_remains(home: Home) -> None:
    """Nor does one of an interrupted run stand in the way."""
    home.path.mkdir()
    (home.path / ".env.partial").write_text("reste")
    env.create(home)

    assert [path.name for path in home.path.iterdir()] == [".env"]


def test_secrets_are_distinct() -> None:
    """One draw each, another one each time."""
    drawn = [values[name] for values in (filled(), filled()) for name in SECRETS]

    assert len(set(drawn)) == 2 * len(SECRETS)


@pytest.mark.parametrize("name", SECRETS)
def test_secret_is_long_and_safe(name: str) -> None:
    """Twenty letters at least, none that needs quoting."""
    value = filled()[name] or ""

    assert len(value) >= SECRET_MIN_LENGTH
    assert SECRET_ALPHABET.fullmatch(value)


def test_overrides_stand_in_place() -> None:
    """A test cluster changes some lines; comments and order stay."""
    text = env.fill(EXAMPLE, {"PG_PORT": "5433", "APP_PASSWORD": "fictif"})
    changed = [
        new
        for old, new in zip(EXAMPLE.splitlines(), text.splitlines(), strict=True)
        if old != new and new.partition("=")[0] not in {*SECRETS} - {"APP_PASSWORD"}
    ]

    assert changed == ["PG_PORT=5433", "APP_PASSWORD=fictif"]
