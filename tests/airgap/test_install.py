"""What is produced installs: dnf, an empty root, no network, no other repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle.airgap.rpms import Request
from tests.airgap._rpms import Forge, Signer, Spec, run
from tests.airgap.conftest import Upstream

WORLD = (
    Spec("app", "2.0", tags=("Requires: lib >= 1.1", "Requires: capability", "Recommends: luxury")),
    Spec("app", "1.0"),
    Spec("lib", "1.0", "x86_64"),
    Spec("lib", "1.2", "x86_64"),
    Spec("provider", tags=("Provides: capability", "Requires: /usr/share/deep/file")),
    Spec("deep", files=("/usr/share/deep/file",)),
    Spec("old", "9.0"),
    Spec("new", "2.0", tags=("Obsoletes: old < 10", "Provides: old = 10")),
    Spec("luxury"),
)


class Host:
    """An empty root that knows one .repo file and has no network."""

    def __init__(self, root: Path, repo_file: str) -> None:
        self.root = root
        (root / "repos").mkdir(parents=True)
        (root / "repos" / "citadelle.repo").write_text(repo_file)

    def dnf(self, *argv: str) -> str:
        """Run dnf in a network namespace of its own: not even the loopback is up."""
        options = [f"--installroot={self.root}", f"--setopt=reposdir={self.root}/repos", "-y"]
        options += [f"--setopt=cachedir={self.root}/cache", "--setopt=install_weak_deps=False"]
        options += ["--setopt=module_platform_id=platform:el8", "--releasever=8"]
        return self._isolated("dnf", *options, *argv)

    def installed(self) -> list[str]:
        """Return what rpm's database has, without the imported keys."""
        form = "%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n"
        lines = self._isolated("rpm", "--root", str(self.root), "-qa", "--qf", form).splitlines()
        return sorted(line for line in lines if not line.startswith("gpg-pubkey"))

    def _isolated(self, *argv: str) -> str:
        """Run as the namespace's root; Debian's rpm has its database in HOME, below the root."""
        return run("unshare", "--map-root-user", "--net", *argv, HOME="/rpm")


def produced(request: Request) -> str:
    """Return the .repo file as its first lines tell to fill it in."""
    file = next(request.repository.glob("*.repo"))
    return run("sed", f"s|@ICI@|{request.repository}|", file)


@pytest.fixture
def world(upstream: Upstream) -> Upstream:
    """An upstream with all that makes choosing hard."""
    upstream.add("base", *WORLD)
    upstream.wanted = ["app", "old"]
    return upstream


def test_what_is_resolved_installs(world: Upstream, tmp_path: Path) -> None:
    """With only the produced repository, signatures checked, and nothing else comes with it."""
    request = world.download()
    host = Host(tmp_path / "racine", produced(request))
    host.dnf("install", "app", "new")

    assert host.installed() == sorted(one.identity for one in world.resolve().packages)


def test_dnf_itself_chooses_the_same(world: Upstream, tmp_path: Path) -> None:
    """Given the upstream instead, dnf's own resolution is ours."""
    repo = f"[amont]\nname=amont\nbaseurl=file://{world.folder}/base\ngpgcheck=0\n"
    host = Host(tmp_path / "racine", repo)
    host.dnf("install", "app", "old")

    assert host.installed() == sorted(one.identity for one in world.resolve().packages)


def test_all_that_is_produced_installs_together(world: Upstream, tmp_path: Path) -> None:
    """The repository holds no two packages that exclude each other."""
    request = world.download()
    host = Host(tmp_path / "racine", produced(request))

    host.dnf("install", *(one.name for one in world.resolve().packages))


def test_produced_repository_checks_signatures(
    world: Upstream, forge: Forge, stranger: Signer, tmp_path: Path
) -> None:
    """On the other side too, a package signed by someone else is refused by dnf."""
    request = world.download()
    spec = WORLD[0]
    rpm = next(request.repository.rglob(spec.file))
    rpm.write_bytes(forge.build(spec, stranger).read_bytes())
    run("/usr/bin/createrepo_c", "--quiet", request.repository)
    host = Host(tmp_path / "racine", produced(request))

    with pytest.raises(AssertionError, match="GPG check FAILED"):
        host.dnf("install", "app")
