"""The YAML files of config/airgap/: read with their own mistakes told in French."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import yaml

from citadelle.airgap.target import Target
from citadelle.errors import CitadelleError


class Node:
    """A mapping of a YAML file and where it stands, for the messages."""

    def __init__(self, where: str, value: object, known: tuple[str, ...] | None = None) -> None:
        if not isinstance(value, dict):
            raise CitadelleError(f"{where} : un groupe « clé: valeur » est attendu ici.")
        self.where = where
        self.items = {str(key): item for key, item in value.items()}
        for key in self.items if known is not None else ():
            if key not in (known or ()):
                raise CitadelleError(f"{where} : clé inconnue « {key} »{_hint(key, known or ())}.")

    def node(self, key: str, known: tuple[str, ...] | None = None) -> Node:
        """Return a mapping below this one, empty when absent."""
        return Node(f"{self.where}, {key}", self.items.get(key, {}), known)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text.

        Raises:
            CitadelleError: it is absent and has no default, or is no text.
        """
        value = self.items.get(key, default)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise CitadelleError(f"{self.where} : « {key} » manque, ou n'est pas un texte.")
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false; nothing else is taken for one of them."""
        value = self.items.get(key, default)
        if not isinstance(value, bool):
            raise CitadelleError(f"{self.where} : « {key} » vaut true ou false, pas « {value} ».")
        return value

    def number(self, key: str, default: int) -> int:
        """Return an integer."""
        value = self.items.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise CitadelleError(f"{self.where} : « {key} » est un nombre, pas « {value} ».")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty when absent."""
        value = self.items.get(key, [])
        if not isinstance(value, list):
            raise CitadelleError(f"{self.where} : « {key} » est une liste : [a, b].")
        return tuple(str(item) for item in value)

    def applies(self, target: Target) -> bool:
        """Tell whether ``el`` and ``arch``, when given, name the target."""
        releases, architectures = self.texts("el"), self.texts("arch")
        return (not releases or target.el in releases) and (
            not architectures or target.arch in architectures
        )


def read(path: Path, known: tuple[str, ...]) -> Node:
    """Return a file's content.

    Raises:
        CitadelleError: it cannot be read, is not YAML, or has a key that is not known.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CitadelleError(
            f"{path} : illisible ({error.strerror}) ; vérifiez le chemin."
        ) from None
    except yaml.YAMLError as error:
        raise CitadelleError(f"{path} : YAML incorrect, à corriger : {error}") from None
    return Node(path.name, value, known)


def fill(template: str, values: dict[str, str], where: str) -> str:
    """Replace each ``{name}``.

    Raises:
        CitadelleError: a name that is not known.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            raise CitadelleError(
                f"{where} : variable inconnue « {{{name}}} »{_hint(name, tuple(values))}."
            )
        return values[name]

    return re.sub(r"\{(\w+)\}", value, template)


def _hint(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f" (voulez-vous dire « {close[0]} » ?)" if close else f" ; connues : {', '.join(known)}"
