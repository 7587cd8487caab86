"""Wheels by the real pip, from an index of the tests' own: kept, checked again, fetched again."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from citadelle import images
from citadelle.airgap import wheels
from citadelle.airgap.wheels import Set
from citadelle.errors import CitadelleError

NAME = "essai-1.0-cp312-cp312-manylinux_2_17_x86_64.whl"


def make(folder: Path, name: str, content: str = "") -> Path:
    """Write the smallest wheel that pip takes."""
    folder.mkdir(exist_ok=True)
    project, version, *tags = name.removesuffix(".whl").split("-")
    info = f"{project}-{version}.dist-info"
    with zipfile.ZipFile(folder / name, "w") as archive:
        about = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
        archive.writestr(f"{info}/METADATA", about)
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {'-'.join(tags)}\n")
        archive.writestr(f"{project}.py", content)
        archive.writestr(f"{info}/RECORD", "")
    return folder / name


def digest(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Place:
    """An index, a lock that asks it for one wheel, the cache, and where the set is written."""

    def __init__(self, folder: Path) -> None:
        self.index = folder / "index"
        self.cache = folder / "cache" / "x86_64" / "py3.12"
        self.lock = folder / "lock"
        self.target = folder / "sortie"
        self.wheel = make(self.index, NAME)
        self.lock.write_text(f"essai==1.0 --hash=sha256:{digest(self.wheel)}\n")

    def gather(self) -> None:
        """Write the set."""
        one = Set("py3.12", "3.12", self.lock, "requirements.lock")
        wheels._gather(one, self.target, "x86_64")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Pip sees this index alone, as with a company's mirror."""
    found = Place(tmp_path)
    monkeypatch.setattr(wheels, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(images, "WHEELS", tmp_path / "patroni")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(found.index))
    return found


def test_wheel_of_another_python_is_taken(place: Place) -> None:
    """With the lock that pip needs on the other side."""
    place.gather()

    assert (place.target / NAME).read_bytes() == place.wheel.read_bytes()
    expected = f"essai==1.0 --hash=sha256:{digest(place.wheel)}\n"
    assert (place.target / "requirements.lock").read_text() == expected


def test_wheel_that_is_there_is_kept(place: Place, tmp_path: Path) -> None:
    """An interrupted export goes on without the index."""
    place.cache.mkdir(parents=True)
    place.wheel.rename(place.cache / NAME)
    place.gather()

    assert (place.target / NAME).is_file()


def test_spoilt_wheel_is_fetched_again(place: Place) -> None:
    """What lies in the cache proves nothing."""
    place.cache.mkdir(parents=True)
    (place.cache / NAME).write_bytes(place.wheel.read_bytes()[:-1])
    place.gather()

    assert (place.target / NAME).read_bytes() == place.wheel.read_bytes()


def test_altered_wheel_is_refused(place: Place) -> None:
    """The index has a wheel of this name, but not the one that the lock knows."""
    make(place.index, NAME, "mal()")

    with pytest.raises(CitadelleError, match=r"Python 3\.12"):
        place.gather()
    assert not place.target.exists()


def test_wheel_of_an_earlier_lock_leaves(place: Place) -> None:
    """Pip on the other side would choose among both."""
    place.cache.mkdir(parents=True)
    old = make(place.cache, NAME.replace("1.0", "0.9"))
    place.gather()

    assert not old.exists()


def test_sdist_comes_from_the_images(place: Place, tmp_path: Path) -> None:
    """What has no wheel on the index was built once, for the images, and runs anywhere."""
    built = make(tmp_path / "patroni", "essai-1.0-py3-none-any.whl")
    place.lock.write_text(f"essai==1.0 --hash=sha256:{'0' * 64}\n")  # the sdist's
    place.gather()

    assert digest(built) in (place.target / "requirements.lock").read_text()


def test_wheel_for_a_newer_host_is_refused(place: Place) -> None:
    """RHEL 8's glibc would not load it."""
    place.wheel.unlink()
    newer = make(place.index, NAME.replace("2_17", "2_34"))
    place.lock.write_text(f"essai==1.0 --hash=sha256:{digest(newer)}\n")

    with pytest.raises(CitadelleError, match="pip n'a pas obtenu"):
        place.gather()
