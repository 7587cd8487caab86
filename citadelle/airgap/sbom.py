"""What a bundle is made of, as CycloneDX 1.6 (ECMA-424): the images' packages, the wheels.

Serial numbers come from the content and the date is the commit's: the same inputs give the same
file.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from citadelle import engine
from citadelle.airgap import licences, lock
from citadelle.airgap.transport import digest
from citadelle.audit import streams

VERSION = "1.6"
# dpkg-query(1): what identifies a package, and its source.
_QUERY = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\n"


@dataclass(frozen=True, order=True)
class Component:
    """One thing that a bundle holds; ``reference`` is a package URL, or an image's name."""

    reference: str
    kind: str
    name: str
    version: str
    licences: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    needs: tuple[str, ...] = field(default=(), compare=False)

    def row(self) -> dict[str, Any]:
        """Return it as CycloneDX."""
        row: dict[str, Any] = {"bom-ref": self.reference, "type": self.kind, "name": self.name}
        row["version"] = self.version
        if self.reference.startswith("pkg:"):
            row["purl"] = self.reference
        if self.licences:
            row["licenses"] = [{"license": {"name": one}} for one in self.licences]
        if self.sha256:
            row["hashes"] = [{"alg": "SHA-256", "content": one} for one in self.sha256]
        return row


def document(components: Iterable[Component], about: str, version: str, moment: datetime) -> str:
    """Return a CycloneDX file: components by reference, and what images are made of."""
    found = sorted({one.reference: one for one in components}.values())
    body: dict[str, Any] = {
        "components": [one.row() for one in found],
        "dependencies": [
            {"ref": one.reference, "dependsOn": sorted(one.needs)} for one in found if one.needs
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(body, sort_keys=True) + about + version)
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "component": {"type": "application", "name": about, "version": version},
        },
    }
    return json.dumps({**head, **body}, ensure_ascii=False, indent=1) + "\n"


def of_wheels(paths: Iterable[Path]) -> list[Component]:
    """Describe wheels; those of one version for several Pythons are one component."""
    by_version: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(paths):
        by_version.setdefault(lock.identity(path), []).append(path)
    return [_wheel(*identity, wheels) for identity, wheels in sorted(by_version.items())]


def _wheel(name: str, version: str, wheels: Sequence[Path]) -> Component:
    declared = licences.names_of_wheel(licences.metadata(wheels[0]))
    sums = {digest(wheel, "sha256") for wheel in wheels}
    reference = f"pkg:pypi/{name}@{quote(version)}"
    return Component(reference, "library", name, version, tuple(declared), tuple(sorted(sums)))


@dataclass(frozen=True)
class Image:
    """One image: its name in the bundle, its identifier, what is in it."""

    name: str
    identifier: str
    packages: tuple[Component, ...]
    texts: Mapping[str, bytes]

    def unlicensed(self) -> set[str]:
        """Return the packages whose copyright file is not there."""
        return {one.name for one in self.packages} - set(self.texts)

    def component(self, wheels: Iterable[Component] = ()) -> Component:
        """Return the image itself; ``wheels`` are what it holds besides Debian packages."""
        name, _, tag = self.name.rpartition(":")
        needs = tuple(one.reference for one in (*self.packages, *wheels))
        digests = (self.identifier.removeprefix("sha256:"),)
        return Component(self.name, "container", name, tag, (), digests, needs)


def look(image: str, name: str, identifier: str) -> Image:
    """Ask an image for its packages and their copyright files; it gets no network.

    ``name`` is the one that it travels under.
    """
    sandbox = ["run", "--rm", "--network=none", "--read-only", "--user=65534", "--entrypoint=sh"]
    listing = engine.docker(*sandbox, image, "-c", f"dpkg-query --show --showformat='{_QUERY}'")
    texts = licences.of_image(streams.docker(*sandbox, image, "-c"))
    rows = [line.split("\t") for line in listing.splitlines()]
    return Image(name, identifier, tuple(_package(row, texts) for row in rows), texts)


def _package(row: Sequence[str], texts: Mapping[str, bytes]) -> Component:
    name, version, architecture, source = row
    copyright_ = texts.get(name, b"").decode("utf-8", "replace")
    where = f"arch={architecture}&upstream={quote(source, safe='')}"
    reference = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?{where}"
    declared = tuple(licences.names_of_copyright(copyright_))
    return Component(reference, "library", name, version, declared)
