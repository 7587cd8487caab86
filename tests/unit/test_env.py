"""``.env.example`` says everything, and ``invoke env`` makes a private ``.env`` of it."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from citadelle import env, settings
from citadelle.errors import CitadelleError
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


# --- A file of an older version ------------------------------------------------------------------


def older(home: Home, *without: str, end: str = "\n") -> str:
    """Write a valid ``.env`` that lacks some variables; return its text."""
    lines = env.fill(EXAMPLE, {}).splitlines()
    text = "\n".join(line for line in lines if line.partition("=")[0] not in without) + end
    home.path.mkdir()
    home.env_file.write_text(text)
    home.env_file.chmod(0o600)
    return text


def test_missing_variables_are_added(home: Home) -> None:
    """After ``invoke env``, an older file is one that every command takes."""
    older(home, "POOLING", "ETCD_ROOT_PASSWORD")

    assert env.complete(home) == ["ETCD_ROOT_PASSWORD", "POOLING"]
    assert settings.load(home.env_file).pooling == env.defaults()["POOLING"]


@pytest.mark.parametrize("end", ["\n", ""])
def test_what_was_there_stays(home: Home, end: str) -> None:
    """The older text, to the letter, then what was added; a last line without an end gets one."""
    text = older(home, "POOLING", end=end)
    env.complete(home)

    assert home.env_file.read_text().startswith(text + ("" if end else "\n") + env.ADDED)


def test_added_variable_is_explained(home: Home) -> None:
    """The comments of its paragraph come with it, a section's rule and its neighbours do not."""
    older(home, "ETCD_PATRONI_PASSWORD")
    env.complete(home)
    added = home.env_file.read_text().partition(env.ADDED)[2].splitlines()

    assert [line[:22] for line in added] == ["# etcd : utilisateur r", "ETCD_PATRONI_PASSWORD="]


@pytest.mark.parametrize("mode", [0o600, 0o700])
def test_mode_is_kept(home: Home, mode: int) -> None:
    """As is the owner: the file is not replaced."""
    older(home, "POOLING")
    home.env_file.chmod(mode)
    node = home.env_file.stat().st_ino
    env.complete(home)

    assert (home.env_file.stat().st_mode & 0o777, home.env_file.stat().st_ino) == (mode, node)


def test_complete_file_is_left_alone(home: Home) -> None:
    """Nothing is added twice."""
    text = older(home)

    assert (env.complete(home), home.env_file.read_text()) == ([], text)


def test_unreadable_line_is_refused_before_anything_is_added(home: Home) -> None:
    """What such a line was meant to be, nobody knows: perhaps the variable that seems absent."""
    text = older(home, "POOLING", end="\nPOOLING strict\n")
    with pytest.raises(CitadelleError, match="illisible"):
        env.complete(home)

    assert home.env_file.read_text() == text


def test_file_open_to_others_is_refused(home: Home) -> None:
    """No secret is added where others read."""
    older(home, "POOLING")
    home.env_file.chmod(0o644)
    with pytest.raises(CitadelleError, match="chmod 600"):
        env.complete(home)


def test_error_names_the_command(home: Home) -> None:
    """Who upgrades finds the way in the message itself."""
    older(home, "POOLING")
    with pytest.raises(CitadelleError, match=r"POOLING manque \(« invoke env » l'ajoute\)"):
        settings.load(home.env_file)
