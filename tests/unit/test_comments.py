"""Every setting in ``config/`` is explained, in French, where it stands."""

from __future__ import annotations

import re

import pytest

from citadelle.workspace import ROOT

CONFIG = ROOT / "config"
TEMPLATES = sorted(path.relative_to(CONFIG).as_posix() for path in CONFIG.rglob("*.j2"))
# How many settings one comment may speak for: a certificate and its key, TCP's timers, the
# connection of a role (user, password, TLS), all that a hostile /config could have Patroni run.
GROUPS = {
    "etcd/etcd.yml.j2": 3,
    "haproxy/haproxy.cfg.j2": 4,
    "patroni/patroni.yml.j2": 13,
    "pgbouncer/pgbouncer.ini.j2": 4,
}


def is_comment(line: str) -> bool:
    """Tell a comment from a setting; a rule between sections explains nothing."""
    return line.lstrip().startswith(("#", ";;", "--")) and "---" not in line


def is_setting(line: str) -> bool:
    """Tell a setting from comments, blank lines, section names, template statements."""
    if not line.strip() or re.match(r"\s*(#|;;|\{%|\[)", line):
        return False
    return not re.match(r"\w+:$|(global|defaults|(front|back)end .*|listen .*)$", line)


def explained(paragraph: list[str], index: int, group: int) -> bool:
    """Tell whether a comment stands above, fewer than ``group`` settings away.

    The first lines of a section may share the comment that follows them.
    """
    above = paragraph[:index]
    comments = [number for number, line in enumerate(above) if is_comment(line)]
    if not comments:
        return any(map(is_comment, paragraph[index:]))
    return sum(map(is_setting, above[comments[-1] :])) < group


@pytest.mark.parametrize(("name", "group"), GROUPS.items())
def test_every_setting_has_a_comment(name: str, group: int) -> None:
    """An operator who reads a line finds its reason a few lines up."""
    paragraphs = (CONFIG / name).read_text(encoding="utf-8").split("\n\n")
    bare = [
        line
        for paragraph in map(str.splitlines, paragraphs)
        for index, line in enumerate(paragraph)
        if is_setting(line) and not explained(paragraph, index, group)
    ]

    assert bare == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_starts_with_a_comment(name: str) -> None:
    """The first line says what the file is."""
    assert is_comment((CONFIG / name).read_text(encoding="utf-8").splitlines()[0])


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_writes_no_address(name: str) -> None:
    """Addresses come from the topology: one source."""
    assert "10.209." not in (CONFIG / name).read_text(encoding="utf-8")
