"""The repositories that config/airgap/depots.yml names, for one target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from citadelle.airgap import documents
from citadelle.airgap.documents import Node
from citadelle.airgap.target import Target
from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT

FILE = ROOT / "config" / "airgap" / "depots.yml"
# dnf's own default; the lowest number wins.
PRIORITY = 99
_TOP = ("distribution", "variables", "modules_desactives", "cles", "depots")
_REPOSITORY = (
    *("url", "cle", "distribution", "el", "arch"),
    *("priorite", "gpgcheck", "repo_gpgcheck", "exclure"),
)


@dataclass(frozen=True)
class Key:
    """A signing key: where it is read, and the fingerprints that alone are believed."""

    name: str
    source: str
    fingerprints: tuple[str, ...]


@dataclass(frozen=True)
class Repository:
    """One RPM repository; ``url`` ends with a slash, ``key`` signs all that it holds."""

    name: str
    url: str
    key: Key | None
    priority: int
    gpgcheck: bool
    repo_gpgcheck: bool
    excluded: tuple[str, ...]


@dataclass(frozen=True)
class Depots:
    """What packages may come from."""

    repositories: tuple[Repository, ...]
    disabled_modules: tuple[str, ...]

    def signers(self) -> tuple[Key, ...]:
        """Return each key that some repository is checked with, once."""
        named = {one.key.name: one.key for one in self.repositories if one.key is not None}
        return tuple(named.values())


def load(path: Path, target: Target) -> Depots:
    """Return the repositories of a target.

    Raises:
        CitadelleError: the file is wrong, an address is refused, or nothing is left.
    """
    top = documents.read(path, _TOP)
    values = _variables(top.node("variables"), target)
    distribution = top.text("distribution", "")
    keys = top.node("cles")
    found = []
    for name in top.node("depots").items:
        node = top.node("depots").node(name, _REPOSITORY)
        if node.applies(target) and node.text("distribution", distribution) == distribution:
            found.append(_repository(name, node, keys, values, path.parent))
    if not found:
        raise CitadelleError(
            f"{path.name} : aucun dépôt pour {target.name} et la distribution « {distribution} »."
        )
    return Depots(tuple(found), top.texts("modules_desactives"))


def _variables(node: Node, target: Target) -> dict[str, str]:
    """Return what may stand between braces; a variable may differ from one release to another."""
    values = target.values()
    for name, value in node.items.items():
        text = node.node(name).text(target.el) if isinstance(value, dict) else node.text(name)
        values[name] = text.rstrip("/")
    return values


def _repository(
    name: str, node: Node, keys: Node, values: dict[str, str], folder: Path
) -> Repository:
    url = documents.fill(node.text("url"), values, node.where).rstrip("/") + "/"
    gpgcheck = node.flag("gpgcheck", True)
    repo_gpgcheck = node.flag("repo_gpgcheck", False)
    _refuse_unsafe(node.where, url, gpgcheck)
    key = None
    if gpgcheck or repo_gpgcheck:
        named = documents.fill(node.text("cle"), values, node.where)
        key = _key(named, keys, values, folder)
    priority = node.number("priorite", PRIORITY)
    return Repository(name, url, key, priority, gpgcheck, repo_gpgcheck, node.texts("exclure"))


def _key(name: str, keys: Node, values: dict[str, str], folder: Path) -> Key:
    """Return a key; a source that is no address is a file beside depots.yml."""
    if name not in keys.items:
        raise CitadelleError(f"{keys.where} : clé « {name} » absente ; ajoutez-la.")
    node = keys.node(name, ("source", "empreintes"))
    source = documents.fill(node.text("source"), values, node.where)
    if "://" in source:
        _refuse_unsafe(node.where, source, gpgcheck=True)
    else:
        source = (folder / source).resolve().as_uri()
    wanted = tuple(one.replace(" ", "").upper() for one in node.texts("empreintes"))
    for fingerprint in wanted:
        if not re.fullmatch(r"[0-9A-F]{40}", fingerprint):
            raise CitadelleError(
                f"{node.where} : empreinte « {fingerprint} » : 40 chiffres hexadécimaux attendus."
            )
    if not wanted:
        raise CitadelleError(f"{node.where} : « empreintes » est vide ; aucune clé n'est crue.")
    return Key(name, source, wanted)


def _refuse_unsafe(where: str, url: str, gpgcheck: bool) -> None:
    """Refuse what nothing would authenticate, and secrets that lists and logs would repeat."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "file"):
        raise CitadelleError(f"{where} : {url} : https://, http:// ou file:// attendu.")
    if parts.username or parts.password:
        raise CitadelleError(
            f"{where} : pas d'identifiants dans l'adresse (elle est recopiée dans les listes) ; "
            "mettez-les dans ~/.netrc."
        )
    if parts.scheme == "http" and not gpgcheck:
        raise CitadelleError(
            f"{where} : {url} : http:// sans gpgcheck : rien ne prouverait l'origine des paquets. "
            "Passez à https:// ou à file://, ou remettez gpgcheck: true."
        )
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise CitadelleError(f"{where} : {url} : un chemin local s'écrit file:///chemin.")
