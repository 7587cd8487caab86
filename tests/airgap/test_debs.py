"""Debian packages by the real apt, from a signed mirror of the tests' own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from email.utils import format_datetime
from pathlib import Path

import pytest

from citadelle import debian
from citadelle.airgap import debs, manifest
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from tests.airgap._rpms import Signer, run
from tests.unit import factory

SUITE = "bookworm"
FILES = {"moteur_2.0_all.deb", "bibliotheque_1.0_all.deb"}


class Mirror:
    """A mirror with an engine, what it needs, something else, and Compose."""

    def __init__(self, folder: Path, signer: Signer) -> None:
        self.folder, self.signer = folder, signer
        folder.mkdir()
        self.add("moteur", "1:2.0", "Depends: bibliotheque")  # an epoch, as Debian's own has
        for name in ("bibliotheque", "autre", "docker-compose"):
            self.add(name, "1.0")
        self.publish()

    def add(self, name: str, version: str, *fields: str, content: str = "") -> None:
        """Build a package."""
        tree = self.folder.parent / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        lines = [f"Package: {name}", f"Version: {version}", "Architecture: all"]
        lines += ["Maintainer: essai <essai@example.invalid>", *fields, "Description: essai"]
        (tree / "DEBIAN" / "control").write_text("\n".join(lines) + "\n")
        (tree / "contenu").write_text(content)
        target = self.folder / f"{name}_{version.rpartition(':')[2]}_all.deb"
        run("dpkg-deb", "--build", "--root-owner-group", tree, target)

    def publish(self) -> None:
        """Write the index and sign it."""
        index = run("sh", "-c", 'cd "$1" && dpkg-scanpackages .', "sh", self.folder)
        (self.folder / "Packages").write_text(index)
        content = index.encode()
        digest = hashlib.sha256(content).hexdigest()
        date = format_datetime(manifest.now(), usegmt=True)
        head = f"Suite: essai\nCodename: essai\nDate: {date}\nSHA256:\n"
        release = self.folder / "Release"
        release.write_text(f"{head} {digest} {len(content)} Packages\n")
        self.signer.clear_sign(release, self.folder / "InRelease")


@pytest.fixture
def mirror(
    tmp_path: Path, signer: Signer, stranger: Signer, monkeypatch: pytest.MonkeyPatch
) -> Mirror:
    """The only mirror that apt sees."""
    found = Mirror(tmp_path / "miroir", signer)
    line = f"deb [signed-by={signer.public_file}] copy:{found.folder} ./"
    monkeypatch.setattr(debian, "sources", lambda *_: [line])
    monkeypatch.setattr(debs, "CACHE", tmp_path / "cache")
    wanted = {SUITE: ("moteur",), "trixie": ("moteur", "docker-compose")}
    monkeypatch.setattr(debs, "WANTED", wanted)
    return found


@pytest.fixture
def gather(mirror: Mirror, tmp_path: Path) -> Callable[[], Path]:
    """Write the part, anew; return the suite's folder."""

    def call() -> Path:
        target = tmp_path / "sortie"
        shutil.rmtree(target, ignore_errors=True)
        debs.gather(target, factory.topology().settings, Steps())
        return target / SUITE

    return call


def archives(gather: Callable[[], Path], tmp_path: Path) -> Path:
    """Return where packages are kept from one export to the next."""
    gather()
    return tmp_path / "cache" / SUITE / "archives"


def test_what_is_needed_comes_along(gather: Callable[[], Path]) -> None:
    """And nothing else; names have no epoch, which a URL would have to quote."""
    assert {path.name for path in gather().glob("*.deb")} == FILES


def test_compose_lies_apart(gather: Callable[[], Path]) -> None:
    """Out of the index: Debian 12 could not install it."""
    folder = gather()

    assert (folder / "compose" / "docker-compose_1.0_all.deb").is_file()
    assert "docker-compose" not in (folder / "Packages").read_text()


def test_folder_is_a_repository(gather: Callable[[], Path], tmp_path: Path) -> None:
    """The other side's apt chooses from it, by the index beside the files."""
    folder = gather()
    apt = debs.Apt(SUITE, tmp_path / "apt")
    for name in ("lists/partial", "archives/partial"):
        (apt.folder / name).mkdir(parents=True)
    (apt.folder / "status").write_text("")
    (apt.folder / "sources.list").write_text(f"deb [trusted=yes] file:{folder} ./\n")
    apt.run("apt-get", "update")
    uris = apt.run("apt-get", "install", "--print-uris", "--yes", "moteur")

    assert {line.split("'")[1].rpartition("/")[2] for line in uris.splitlines()} == FILES


def test_second_export_needs_the_index_alone(
    gather: Callable[[], Path], mirror: Mirror, tmp_path: Path
) -> None:
    """Packages that are there, and right, are not fetched again."""
    gather()
    for path in mirror.folder.glob("*.deb"):
        path.unlink()

    assert {path.name for path in gather().glob("*.deb")} == FILES


def test_spoilt_package_is_fetched_again(gather: Callable[[], Path], tmp_path: Path) -> None:
    """Same name, same size: only the digest tells."""
    (path,) = archives(gather, tmp_path).glob("bibliotheque*.deb")
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))

    assert (gather() / path.name).read_bytes() == good


def test_replaced_package_is_refused(gather: Callable[[], Path], mirror: Mirror) -> None:
    """The mirror has another content than its signed index says."""
    mirror.add("bibliotheque", "1.0", content="mal")

    with pytest.raises(CitadelleError, match="apt-get a échoué"):
        gather()


def test_other_signature_is_refused(
    gather: Callable[[], Path], mirror: Mirror, stranger: Signer
) -> None:
    """Whoever writes the index chooses what root will install."""
    mirror.signer = stranger
    mirror.publish()

    with pytest.raises(CitadelleError, match="apt-get a échoué"):
        gather()


def test_package_of_an_earlier_index_leaves(
    gather: Callable[[], Path], mirror: Mirror, tmp_path: Path
) -> None:
    """It is neither kept nor carried."""
    kept = archives(gather, tmp_path)
    (mirror.folder / "bibliotheque_1.0_all.deb").unlink()
    mirror.add("bibliotheque", "1.1")
    mirror.publish()

    assert {path.name for path in gather().glob("bib*")} == {"bibliotheque_1.1_all.deb"}
    assert [path.name for path in kept.glob("bib*")] == ["bibliotheque_1.1_all.deb"]
