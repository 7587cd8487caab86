"""The inventory: components, licences, and nothing that changes between two exports."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from citadelle.airgap import licences, sbom
from citadelle.airgap.sbom import Component
from citadelle.errors import CitadelleError

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: GPL-2+
 The text.

Files: lib/*
License: MIT

License: GPL-2+
 Again.
"""


def wheel(folder: Path, python: str, texts: dict[str, str], *fields: str) -> Path:
    """Write a wheel with its metadata and other files of its dist-info."""
    path = folder / f"some_thing-1.0-{python}-none-any.whl"
    about = "\n".join(["Metadata-Version: 2.4", "Name: some-thing", "Version: 1.0", *fields])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some_thing-1.0.dist-info/METADATA", about)
        for name, text in texts.items():
            archive.writestr(f"some_thing-1.0.dist-info/{name}", text)
    return path


def document(*components: Component) -> dict[str, Any]:
    """Return an SBOM."""
    found: dict[str, Any] = json.loads(sbom.document(components, "essai", "1", MOMENT))
    return found


def test_head() -> None:
    """What makes it CycloneDX, and a date that is the commit's."""
    found = document()

    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
    assert found["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"


def test_serial_comes_from_the_content() -> None:
    """Two exports of the same inputs are the same; other inputs are another inventory."""
    one, other = (Component(f"pkg:pypi/{n}@1", "library", n, "1") for n in ("a", "b"))

    assert document(one) == document(one)
    assert document(one)["serialNumber"] != document(other)["serialNumber"]


def test_order_does_not_matter() -> None:
    """Components are sorted, and each is there once."""
    one, other = (Component(f"pkg:pypi/{n}@1", "library", n, "1") for n in ("a", "b"))

    assert document(one, other, one) == document(other, one)
    assert len(document(one, other, one)["components"]) == 2


def test_image_depends_on_its_packages() -> None:
    """Every reference that a dependency names is a component."""
    package = Component("pkg:deb/debian/libc6@2.41", "library", "libc6", "2.41")
    image = sbom.Image("citadelle-airgap/pg:abc", f"sha256:{'0' * 64}", (package,), {})
    found = document(image.component(), package)

    assert found["dependencies"] == [
        {"ref": "citadelle-airgap/pg:abc", "dependsOn": ["pkg:deb/debian/libc6@2.41"]}
    ]
    assert {one["type"] for one in found["components"]} == {"container", "library"}


def test_package_without_its_licence_is_known() -> None:
    """A base image that drops them makes a bundle that may not be given away."""
    packages = [Component(f"pkg:deb/debian/{n}@1", "library", n, "1") for n in ("a", "b")]
    image = sbom.Image("citadelle-airgap/pg:abc", "sha256:0", tuple(packages), {"a": b"MIT"})

    assert image.unlicensed() == {"b"}


def test_wheels_of_one_version_are_one_component(tmp_path: Path) -> None:
    """With the digest of each."""
    paths = [wheel(tmp_path, python, {}, f"Summary: {python}") for python in ("py2", "py3")]
    (one,) = sbom.of_wheels(paths)

    assert one.reference == "pkg:pypi/some-thing@1.0"
    assert len(one.sha256) == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["License-Expression: MIT OR Apache-2.0"], ["MIT OR Apache-2.0"]),
        (["Classifier: License :: OSI Approved :: MIT License"], ["MIT License"]),
        (["License: BSD", "Classifier: Topic :: Database"], ["BSD"]),
        (["License: PSF"], ["PSF"]),
        (["Classifier: Topic :: Database"], []),
        ([], []),
    ],
)
def test_licence_of_a_wheel(fields: list[str], expected: list[str]) -> None:
    """The three ways in which metadata has told it over the years, or none."""
    about = Message()
    for name, _, value in (field.partition(": ") for field in fields):
        about[name] = value

    assert licences.names_of_wheel(about) == expected


def test_licences_of_a_debian_package() -> None:
    """Each short name once, in its order; the texts are not names."""
    assert licences.names_of_copyright(COPYRIGHT) == ["GPL-2+", "MIT"]


def test_licence_texts_of_a_wheel(tmp_path: Path) -> None:
    """Where PEP 639 puts them, and where older tools did."""
    texts = {"licenses/LICENSE": "un", "licenses/vendor/COPYING": "deux", "LICENSE.txt": "trois"}
    path = wheel(tmp_path, "py3", {**texts, "RECORD": "non"})

    assert licences.of_wheel(path) == {
        "some-thing/licenses/LICENSE": b"un",
        "some-thing/licenses/vendor/COPYING": b"deux",
        "some-thing/LICENSE.txt": b"trois",
    }


def test_wheel_that_leads_outside_is_refused(tmp_path: Path) -> None:
    """A name with `..` would write anywhere."""
    path = wheel(tmp_path, "py3", {"licenses/../../../LICENSE": "non"})

    with pytest.raises(CitadelleError, match="suspect"):
        licences.of_wheel(path)
