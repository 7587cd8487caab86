"""Numbers on a command line: Invoke casts by the type of a parameter's default value.

With plain ``int`` and ``float`` a mistake would end in a traceback.
"""

from __future__ import annotations

import math

from invoke.exceptions import Exit


class Whole(int):
    """A whole number, or a message and exit code 2."""

    def __new__(cls, value: str | int) -> Whole:
        """Read what was typed."""
        try:
            return super().__new__(cls, value)
        except ValueError:
            raise _refused(value, "un nombre entier (comme 30)") from None


class Number(float):
    """A finite number, decimal point or not, or a message and exit code 2."""

    def __new__(cls, value: str | float) -> Number:
        """Read what was typed."""
        try:
            found = super().__new__(cls, value)
        except ValueError:
            found = None
        if found is None or not math.isfinite(found):
            raise _refused(value, "un nombre, sans unité (comme 0.5)")
        return found


def _refused(value: object, expected: str) -> Exit:
    return Exit(f"erreur : « {value} » n'est pas {expected}.", code=2)
