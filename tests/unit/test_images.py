"""The tag of the images: what they are made of, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from citadelle import images
from tests.unit import factory

CLUSTER = factory.topology()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the sources that may be changed."""
    copy = tmp_path / "docker"
    shutil.copytree(images.SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(images, "SOURCES", copy)
    return copy


@pytest.mark.parametrize("name", ["wan/__pycache__/delay_line.cpython-311.pyc", "compose.yaml"])
def test_what_is_no_source_changes_nothing(sources: Path, name: str) -> None:
    """Python's own files come with the tests: without a network, nothing could be built again."""
    before = images.tag(CLUSTER)
    (sources / name).parent.mkdir(exist_ok=True)
    (sources / name).write_text("other")

    assert images.tag(CLUSTER) == before


def test_a_source_changes_the_tag(sources: Path) -> None:
    """An image that exists under its tag is up to date."""
    before = images.tag(CLUSTER)
    (sources / "wan" / "new").write_text("other")

    assert images.tag(CLUSTER) != before
