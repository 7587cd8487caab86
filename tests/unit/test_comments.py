"""Every setting in ``config/`` is explained, in French, where it stands."""

from __future__ import annotations

import pytest

from citadelle.workspace import ROOT

CONFIG = ROOT / "config"
TEMPLATES = sorted(path.relative_to(CONFIG).as_posix() for path in CONFIG.rglob("*.j2"))
EXPLAINED = (
    "etcd/etcd.yml.j2",
    "patroni/patroni.yml.j2",
    "pgbouncer/pgbouncer.ini.j2",
    "haproxy/haproxy.cfg.j2",
)
# One comment may speak for a group (a certificate and its key, TCP's four timers), not for more.
GROUP = 5


def is_comment(line: str) -> bool:
    """Tell a comment from a setting; a rule between sections explains nothing."""
    return line.lstrip().startswith(("#", ";;", "--")) and "---" not in line


def is_setting(line: str) -> bool:
    """Tell a setting from comments, blank lines, section names, template statements."""
    text = line.strip()
    if not text or text.startswith(("#", ";;", "{%", "[")):
        return False
    return not (text.endswith(":") and not line.startswith(" "))


def explained(before: list[str]) -> bool:
    """Tell whether a comment stands within GROUP settings above."""
    settings = 0
    for line in reversed(before):
        if is_comment(line):
            return True
        settings += is_setting(line)
        if settings >= GROUP:
            return False
    return False


@pytest.mark.parametrize("name", EXPLAINED)
def test_every_setting_has_a_comment_above(name: str) -> None:
    """An operator who reads a line finds its reason a few lines up."""
    lines = (CONFIG / name).read_text(encoding="utf-8").splitlines()
    bare = [
        f"{number}: {line}"
        for number, line in enumerate(lines, 1)
        if is_setting(line) and not explained(lines[: number - 1])
    ]

    assert bare == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_has_comments(name: str) -> None:
    """The first line says what the file is."""
    text = (CONFIG / name).read_text(encoding="utf-8")

    assert is_comment(text.splitlines()[0])


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_writes_no_address(name: str) -> None:
    """Addresses come from the topology: one source."""
    assert "10.209." not in (CONFIG / name).read_text(encoding="utf-8")
