"""README.md (English) and README.fr.md (French) give the same commands."""

from __future__ import annotations

import re

from citadelle.workspace import ROOT

BLOCK = re.compile(r"^```(?:console|bash|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[str]:
    """Return the lines of the command blocks, without comments: these are translated."""
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = (line for block in BLOCK.findall(text) for line in block.splitlines())
    bare = (re.sub(r"(^|\s+)#.*$", "", line).rstrip() for line in lines)
    return [line for line in bare if line]


def test_readmes_give_the_same_commands() -> None:
    """Two languages, one way to start."""
    assert commands("README.md") == commands("README.fr.md")


def terms(name: str) -> list[list[str]]:
    """Return the code in each row of the tables: names, values and paths have no language."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [re.findall(r"`[^`]+`", line) for line in lines if line.startswith("|")]


def test_readmes_have_the_same_tables() -> None:
    """Ports, users and commands are the same cluster's."""
    assert terms("README.md") == terms("README.fr.md")


def test_readme_gives_commands() -> None:
    """Else the comparison above would prove nothing."""
    assert commands("README.md") != []
