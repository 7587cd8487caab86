"""Downloads: resumed, stopped, repeated; what is there at the end is always the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from citadelle.airgap import offline
from citadelle.airgap.rpms import Request
from citadelle.errors import CitadelleError
from tests.airgap import _rpms
from tests.airgap._apart import download_apart
from tests.airgap._rpms import BIG, Spec
from tests.airgap._server import Mirror
from tests.airgap.conftest import Upstream

# How many bytes get out before the line is cut.
CUT = 700_000


def kept(request: Request, spec: Spec = BIG) -> Path:
    """Return where a package is put."""
    return request.repository / offline.PACKAGES / spec.file


def tree(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def place(upstream: Upstream) -> Path:
    """A repository with a large package."""
    return upstream.add("base", BIG)


def test_cut_transfer_goes_on_where_it_stopped(
    upstream: Upstream, place: Path, mirror: Mirror
) -> None:
    """In the same command, without asking again for what is there."""
    mirror.cuts[BIG.file] = [CUT]
    upstream.download()

    assert mirror.asked(BIG.file) == ["", f"bytes={CUT}-"]


def test_next_command_goes_on(upstream: Upstream, place: Path, mirror: Mirror) -> None:
    """A line that stays cut ends the command; the next one does not start over."""
    mirror.cuts[BIG.file] = [CUT, 0, 0, 0]
    with pytest.raises(CitadelleError, match=r"liaison coupée .* ce qui est déjà là est gardé"):
        upstream.download()
    mirror.requests.clear()
    upstream.download()

    assert mirror.asked(BIG.file) == [f"bytes={CUT}-"]


def test_interrupted_download_ends_identical(
    upstream: Upstream, place: Path, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every file, metadata included, is what an undisturbed download gives."""
    undisturbed = tree(upstream.download().repository)
    request = upstream.request()
    request.repository.rename(tmp_path_factory.mktemp("avant") / "depot")
    mirror.cuts[BIG.file] = [CUT, 0, 0, 0]
    with pytest.raises(CitadelleError, match="liaison coupée"):
        upstream.download()

    assert tree(upstream.download().repository) == undisturbed


def test_interrupted_download_looks_unfinished(
    upstream: Upstream, place: Path, mirror: Mirror
) -> None:
    """Dnf cannot take half a repository for a whole one, not even over an earlier whole one."""
    upstream.download()
    upstream.add("base", Spec("autre"))
    upstream.wanted.append("autre")
    mirror.statuses[Spec("autre").file] = 503
    with pytest.raises(CitadelleError, match="HTTP 503"):
        upstream.download()

    folder = upstream.request().repository
    assert [path.name for path in folder.iterdir()] == [offline.PACKAGES]


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_nothing_is_fetched_twice(
    upstream: Upstream, place: Path, mirror: Mirror, scheme: str
) -> None:
    """A second command finds the packages there and leaves their bytes alone."""
    upstream.base = mirror.url if scheme == "http" else upstream.folder.as_uri()
    inode = kept(upstream.download()).stat().st_ino

    assert kept(upstream.download()).stat().st_ino == inode


@pytest.mark.parametrize(("scheme", "reason"), [("http", "HTTP 404"), ("file", "illisible")])
def test_package_removed_since_the_resolution(
    upstream: Upstream, place: Path, mirror: Mirror, scheme: str, reason: str
) -> None:
    """The mirror was updated in between: which package, and what to do."""
    upstream.base = mirror.url if scheme == "http" else upstream.folder.as_uri()
    upstream.resolve()
    (place / BIG.file).unlink()

    with pytest.raises(CitadelleError, match=f"{BIG.file} : .*{reason}.* choisis de nouveau"):
        upstream.download()


def test_update_replaces_the_older_package(upstream: Upstream, place: Path) -> None:
    """Dnf is not offered what is no longer chosen."""
    upstream.download()
    upstream.add("base", Spec("app", "2.0"))
    folder = upstream.download().repository / offline.PACKAGES

    assert [path.name for path in folder.iterdir()] == [Spec("app", "2.0").file]


def test_same_packages_give_the_same_bytes(
    upstream: Upstream, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two downloads differ in nothing, file dates included."""
    first = upstream.download().repository
    moved = first.rename(tmp_path_factory.mktemp("avant") / first.name)
    second = upstream.download().repository

    assert tree(moved) == tree(second)


def test_many_packages_in_parallel(upstream: Upstream, mirror: Mirror) -> None:
    """More packages than workers: all are there."""
    specs = [Spec(f"p{number}") for number in range(9)]
    upstream.add("base", *specs)
    upstream.wanted = [spec.name for spec in specs]
    request = upstream.download()

    assert all(kept(request, spec).is_file() for spec in specs)


def test_index_is_readable_by_createrepo(upstream: Upstream, place: Path) -> None:
    """Debian's createrepo_c, which did not write it, finds nothing to add."""
    folder = upstream.download().repository
    before = _rpms.primary(folder).name
    _rpms.index(folder, "--update", "--skip-stat")

    assert _rpms.primary(folder).name == before


def test_host_without_rpm(
    upstream: Upstream, place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Debian without rpm's files: the same repository, byte for byte."""
    folder = upstream.download().repository
    expected = tree(folder)
    upstream.request().folder.rename(tmp_path_factory.mktemp("avant") / "sortie")
    download_apart(upstream, "mount -t tmpfs tmpfs /usr/lib/rpm")

    assert tree(folder) == expected
