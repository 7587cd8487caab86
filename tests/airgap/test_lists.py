"""What is written for the operator and for other tools: addresses, and a JSON of the facts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from citadelle.airgap import repositories, rpms
from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT
from tests.airgap._rpms import Spec, run
from tests.airgap._server import Mirror
from tests.airgap.conftest import Upstream

APP = Spec("app", "2.0", "x86_64", tags=("Epoch: 3", "Requires: lib+extra"))
LIB = Spec("lib+extra", "1.0~rc1")


def listing(upstream: Upstream) -> dict[str, Any]:
    """Return the JSON's content."""
    upstream.resolve()
    found: dict[str, Any] = json.loads(upstream.request().listing.read_text())
    return found


def test_addresses_one_per_line(upstream: Upstream, mirror: Mirror) -> None:
    """As wget --input-file and curl read them."""
    upstream.add("base", APP, LIB)
    upstream.resolve()

    assert upstream.request().urls.read_text().splitlines() == [
        f"{mirror.url}/base/app-2.0-1.x86_64.rpm",
        f"{mirror.url}/base/lib+extra-1.0~rc1-1.noarch.rpm",
    ]


def test_files_are_named_after_the_target(upstream: Upstream) -> None:
    """Several targets lie side by side."""
    request = upstream.request()

    assert (request.urls.name, request.listing.name) == (
        "urls-el9-x86_64.txt",
        "urls-el9-x86_64.json",
    )


def test_json_says_what_rpm_says(upstream: Upstream) -> None:
    """Name, epoch-version-release and architecture: the same as rpm reads in the file."""
    place = upstream.add("base", APP)
    upstream.add("base", LIB)
    row = listing(upstream)["packages"][0]
    form = r"%{NAME}|%{EPOCHNUM}:%{VERSION}-%{RELEASE}|%{ARCH}"

    said = run("rpm", "-qp", "--nosignature", "--qf", form, place / APP.file).split("|")
    assert [row["name"], row["evr"], row["arch"]] == said


@pytest.mark.parametrize(
    ("field", "read"),
    [
        ("size", lambda path: path.stat().st_size),
        ("checksum", lambda path: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"),
        ("url", Path.as_uri),
        ("file", lambda path: path.name),
        ("repository", lambda path: path.parent.name),
    ],
)
def test_json_facts(upstream: Upstream, field: str, read: Callable[[Path], object]) -> None:
    """Size in bytes, digest, place."""
    place = upstream.add("base", APP, LIB)

    assert listing(upstream)["packages"][0][field] == read(place / APP.file)


def test_json_names_the_pinned_key(upstream: Upstream) -> None:
    """The other side can check against it without depots.yml."""
    upstream.add("base", APP, LIB)

    assert listing(upstream)["packages"][0]["key"] == [upstream.signer.fingerprint]


def test_json_tells_who_signed(upstream: Upstream) -> None:
    """After the download, the key that did sign."""
    upstream.add("base", APP, LIB)
    rows = json.loads(upstream.download().listing.read_text())["packages"]

    assert {row["signer"] for row in rows} == {upstream.signer.fingerprint}


def test_nothing_is_written_without_a_solution(upstream: Upstream) -> None:
    """A list that looks whole is whole."""
    upstream.add("base", APP)
    with pytest.raises(CitadelleError, match=r"rien ne fournit « lib\+extra »"):
        upstream.resolve()

    assert not upstream.request().folder.exists()


def test_command_line_without_paths() -> None:
    """The project's own files, a folder that git ignores."""
    request = rpms.requested("9", "aarch64", "17")

    assert (request.depots, request.folder) == (repositories.FILE, ROOT / "dist" / "rpms")


def test_command_line_with_paths(tmp_path: Path) -> None:
    """Other repositories, another disk."""
    request = rpms.requested("9", "aarch64", "17", str(tmp_path / "d.yml"), str(tmp_path))

    assert (request.depots, request.folder) == (tmp_path / "d.yml", tmp_path)
