"""Modules (EL 8 and 9): which packages dnf would hide, by the rules that dnf applies.

A module has streams; only a default stream is open to a host that was told nothing. Packages of
the other streams do not exist for dnf, nor do ordinary packages that share a name with a package
of an open stream. EL 10 has no modules: everything here is then empty.
"""

from __future__ import annotations

import gzip
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# Scalars stay texts: a stream called 5.30 is not the number 5.3.
Document = dict[str, Any]
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass
class Modules:
    """The modules of all repositories together."""

    documents: list[Document] = field(default_factory=list)
    disabled: Collection[str] = ()

    def add(self, path: Path) -> None:
        """Take in a repository's modules.yaml, plain or gzip."""
        raw = path.read_bytes()
        text = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        loaded = yaml.load_all(text, Loader=_Loader)
        self.documents += [one for one in loaded if isinstance(one, dict) and "data" in one]

    def hidden(self) -> tuple[set[str], set[str]]:
        """Return the packages that dnf hides and the names that only modules may provide.

        Packages are ``name-epoch:version-release.arch``; those of open streams are in neither.
        """
        shown = {one for doc in self._open() for one in _artifacts(doc)}
        closed = {one for doc in self._streams() for one in _artifacts(doc)} - shown
        return closed, {_name(one) for one in shown}

    def shown(self) -> set[str]:
        """Return the packages of open streams."""
        return {one for doc in self._open() for one in _artifacts(doc)}

    def kept(self, packages: Collection[str]) -> str:
        """Return the YAML of the streams that these packages come from, defaults included."""
        streams = [doc for doc in self._open() if _artifacts(doc) & set(packages)]
        names = {doc["data"]["name"] for doc in streams}
        defaults = [
            doc
            for doc in self.documents
            if doc["document"] == "modulemd-defaults" and doc["data"].get("module") in names
        ]
        return yaml.safe_dump_all([*streams, *defaults], explicit_start=True) if streams else ""

    def _streams(self) -> list[Document]:
        return [doc for doc in self.documents if doc["document"] == "modulemd"]

    def _open(self) -> list[Document]:
        defaults = {
            (doc["data"].get("module"), doc["data"].get("stream"))
            for doc in self.documents
            if doc["document"] == "modulemd-defaults"
            and doc["data"].get("module") not in self.disabled
        }
        return [
            doc
            for doc in self._streams()
            if (doc["data"].get("name"), doc["data"].get("stream")) in defaults
        ]


def _artifacts(document: Document) -> set[str]:
    return set(document["data"].get("artifacts", {}).get("rpms", []))


def _name(package: str) -> str:
    """Return the name in ``name-epoch:version-release.arch``."""
    return package.rsplit("-", 2)[0]
