"""One file from a mirror: resumed, and never taken for what it is not."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from citadelle.airgap.transport import Remote, StoppedError, Transport
from citadelle.errors import CitadelleError
from tests.airgap._rpms import BIG
from tests.airgap._server import Mirror
from tests.airgap.conftest import Flip, Upstream

CUT = 700_000


@pytest.fixture
def place(upstream: Upstream) -> Path:
    """A repository with a large package."""
    return upstream.add("base", BIG)


@pytest.fixture
def remote(place: Path, mirror: Mirror) -> Remote:
    """The large package on the mirror."""
    content = (place / BIG.file).read_bytes()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Remote(f"{mirror.url}/base/{BIG.file}", len(content), digest)


def test_mirror_without_ranges(remote: Remote, mirror: Mirror, tmp_path: Path) -> None:
    """What is sent from the start again replaces what was there."""
    mirror.ranges = False
    mirror.cuts[BIG.file] = [CUT]
    with Transport() as line:
        line.fetch(remote, tmp_path / "a.rpm")

    assert (remote.is_at(tmp_path / "a.rpm"), len(mirror.asked(BIG.file))) == (True, 2)


def fill(part: Path) -> None:
    """Leave other bytes than the package's."""
    part.write_bytes(b"\0" * CUT)


def overfill(part: Path) -> None:
    """Leave more than the package has."""
    part.write_bytes(b"\0" * 3_000_000)


@pytest.mark.parametrize("change", [fill, overfill])
def test_damaged_part_is_started_over(
    remote: Remote, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """What an earlier call left is not trusted."""
    change(tmp_path / "a.rpm.part")
    with Transport() as line:
        line.fetch(remote, tmp_path / "a.rpm")

    assert remote.is_at(tmp_path / "a.rpm")


def test_complete_part_is_not_fetched(
    remote: Remote, place: Path, mirror: Mirror, tmp_path: Path
) -> None:
    """Killed between the last byte and the renaming."""
    (tmp_path / "a.rpm.part").write_bytes((place / BIG.file).read_bytes())
    with Transport() as line:
        line.fetch(remote, tmp_path / "a.rpm")

    assert mirror.requests == []


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_changed_package_is_refused(
    remote: Remote, place: Path, tmp_path: Path, flip: Flip, scheme: str
) -> None:
    """One bit differs from what the metadata announce."""
    flip(place / BIG.file, -9)
    url = remote.url if scheme == "http" else (place / BIG.file).as_uri()
    with (
        Transport() as line,
        pytest.raises(CitadelleError, match="n'est pas celui que le dépôt annonce"),
    ):
        line.fetch(Remote(url, remote.size, remote.digest), tmp_path / "a.rpm")

    assert list(tmp_path.glob("a.rpm*")) == []


def test_endless_answer_is_cut(remote: Remote, tmp_path: Path) -> None:
    """A mirror that sends more than it announced does not fill the disk."""
    received: list[int] = []
    smaller = Remote(remote.url, 1000, remote.digest)
    with Transport() as line, pytest.raises(CitadelleError, match="n'est pas celui"):
        line.fetch(smaller, tmp_path / "a.rpm", received.append)

    assert max(received) < remote.size


def test_redirection_out_of_https_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that sends on to http:// would let anyone answer."""
    hops = {"https://m.invalid/a": "http://n.invalid/a"}

    def answer(request: httpx.Request) -> httpx.Response:
        onward = hops.get(str(request.url))
        headers = {"location": onward} if onward else {}
        return httpx.Response(302 if onward else 200, headers=headers)

    with Transport() as line:
        client = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
        monkeypatch.setattr(line, "_client", client)
        with pytest.raises(CitadelleError, match="redirigé vers http://"):
            line.small("https://m.invalid/a")


def test_stop_keeps_what_is_there(remote: Remote, tmp_path: Path) -> None:
    """Another download failed or Ctrl-C: at once, and the part stays for the next command."""
    stop = threading.Event()
    with Transport() as line, pytest.raises(StoppedError):
        line.fetch(remote, tmp_path / "a.rpm", lambda _: stop.set(), stop)

    assert (tmp_path / "a.rpm.part").stat().st_size > 0
