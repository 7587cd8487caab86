"""The packages that config/airgap/paquets.yml asks for, by role."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from citadelle.airgap import documents
from citadelle.airgap.documents import Node
from citadelle.airgap.target import Target
from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT

FILE = ROOT / "config" / "airgap" / "paquets.yml"
_ENTRY = ("paquet", "el", "arch", "facultatif")


@dataclass(frozen=True)
class Wanted:
    """A package as one would ask dnf for it: ``etcd >= 3.5.30``."""

    role: str
    package: str
    optional: bool = False


def load(path: Path, target: Target) -> tuple[Wanted, ...]:
    """Return what a target needs.

    Raises:
        CitadelleError: the file is wrong, or asks for nothing.
    """
    roles = documents.read(path, ("roles",)).node("roles")
    found = []
    for role, entries in roles.items.items():
        where = f"{roles.where}, {role}"
        if not isinstance(entries, list):
            raise CitadelleError(f"{where} : une liste de paquets est attendue.")
        for entry in entries:
            node = Node(where, entry if isinstance(entry, dict) else {"paquet": entry}, _ENTRY)
            if node.applies(target):
                package = documents.fill(node.text("paquet"), target.values(), where)
                found.append(Wanted(role, package, node.flag("facultatif", False)))
    if not found:
        raise CitadelleError(f"{path.name} : aucun paquet demandé pour {target.name}.")
    return tuple(found)
