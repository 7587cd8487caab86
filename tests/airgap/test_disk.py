"""A full disk says so, and leaves nothing that looks whole."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from citadelle.airgap import download, offline
from citadelle.errors import CitadelleError
from tests.airgap._apart import download_apart
from tests.airgap._rpms import BIG
from tests.airgap.conftest import Upstream

# A disk of 1 MiB where the repository goes, seen by this process alone.
SMALL = 'mount -t tmpfs -o size=1m tmpfs "$1/sortie"'
# The disk fills up between the look and the writing, as when something else writes too.
LIE = "shutil.disk_usage = lambda _: shutil._ntuple_diskusage(10**12, 0, 10**12)"


@pytest.fixture
def place(upstream: Upstream) -> Path:
    """A package that is larger than the disk."""
    return upstream.add("base", BIG)


def test_lack_of_room_is_told_before(upstream: Upstream, place: Path) -> None:
    """How much is needed, before anything is fetched."""
    needed = (place / BIG.file).stat().st_size + download.MARGIN
    said = download_apart(upstream, SMALL)

    assert f"ERREUR Disque plein : {-(-needed // 1_000_000)} Mo à écrire dans" in said


def test_disk_that_fills_up_is_told(upstream: Upstream, place: Path) -> None:
    """Which file, where, and that the next call goes on."""
    said = download_apart(upstream, SMALL, LIE)

    assert f"ERREUR Disque plein en écrivant {BIG.file}" in said


def test_half_a_package_does_not_look_whole(upstream: Upstream, place: Path) -> None:
    """Only the part file stays: no package, no metadata, no .repo file."""
    said = download_apart(upstream, SMALL, LIE)

    left = {line.removeprefix("RESTE ") for line in said.splitlines() if line.startswith("RESTE")}
    lists = {upstream.request().urls.name, upstream.request().listing.name}
    assert left - lists == {"el9-x86_64", offline.PACKAGES, f"{BIG.file}.part"}


def test_index_that_does_not_fit_is_withdrawn(
    upstream: Upstream, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages fit, their metadata no longer: nothing is left that dnf would read."""

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(offline, "_repo_file", full)
    with pytest.raises(CitadelleError, match="Disque plein en écrivant el9-x86_64"):
        upstream.download()

    folder = upstream.request().repository
    assert [path.name for path in folder.iterdir()] == [offline.PACKAGES]
