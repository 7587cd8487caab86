"""The YAML files that come with the project: whole for each target, pinned, documented."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from citadelle.airgap import repositories, wanted
from citadelle.airgap.repositories import Depots
from citadelle.airgap.target import ARCHITECTURES, RELEASES, Target

TARGETS = [Target(el, arch, "17") for el in RELEASES for arch in ARCHITECTURES]
DISTRIBUTIONS = ("rocky", "alma")
ROLES = ("postgresql", "patroni", "etcd", "haproxy", "pgbouncer", "sauvegarde", "diagnostic")


def depots(target: Target, distribution: str, folder: Path) -> Depots:
    """Load depots.yml as an operator would who chose a distribution."""
    text = repositories.FILE.read_text(encoding="utf-8")
    path = folder / "depots.yml"
    path.write_text(text.replace("distribution: rocky\n", f"distribution: {distribution}\n", 1))
    return repositories.load(path, target)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_each_target_has_its_repositories(
    tmp_path: Path, target: Target, distribution: str
) -> None:
    """Base, applications, rare libraries; PostgreSQL, its common and extra parts; EPEL."""
    found = [one.name for one in depots(target, distribution, tmp_path).repositories]

    assert found == [
        *(f"{distribution}-{part}" for part in ("baseos", "appstream", "crb")),
        *("pgdg", "pgdg-common", "pgdg-extras", "epel"),
    ]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_each_repository_is_proven(tmp_path: Path, target: Target, distribution: str) -> None:
    """https, signed packages, a pinned key read over https: none may be left out by mistake."""
    for one in depots(target, distribution, tmp_path).repositories:
        assert (one.gpgcheck, one.url[:8], one.key and one.key.source[:8]) == (
            *(True, "https://", "https://"),
        ), one.name


def test_every_key_serves(tmp_path: Path) -> None:
    """A pinned key that nothing uses is one too many to trust."""
    pinned = yaml.safe_load(repositories.FILE.read_text(encoding="utf-8"))["cles"]
    used = {
        key.name
        for target in TARGETS
        for distribution in DISTRIBUTIONS
        for key in depots(target, distribution, tmp_path).signers()
    }

    assert used == set(pinned)


def test_a_mirror_takes_one_line_each(tmp_path: Path) -> None:
    """Every address starts with a variable: nothing else is to be changed."""
    content = yaml.safe_load(repositories.FILE.read_text(encoding="utf-8"))
    addresses = [one["url"] for one in content["depots"].values()]
    addresses += [one["source"] for one in content["cles"].values()]

    assert [one for one in addresses if not one.startswith("{")] == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_each_target_gets_each_role(target: Target) -> None:
    """No role is emptied by its conditions."""
    found = {one.role for one in wanted.load(wanted.FILE, target)}

    assert set(ROLES) <= found


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_diagnostics_are_optional(target: Target) -> None:
    """A cluster without one of its components is no cluster."""
    found = wanted.load(wanted.FILE, target)

    assert {one.role for one in found if one.optional} <= {"diagnostic"}


@pytest.mark.parametrize("path", [repositories.FILE, wanted.FILE], ids=lambda path: path.name)
def test_every_paragraph_is_explained(path: Path) -> None:
    """An operator who reads a paragraph finds in it what it is for."""
    paragraphs = path.read_text(encoding="utf-8").strip().split("\n\n")
    bare = [one for one in paragraphs if "#" not in one]

    assert bare == []
