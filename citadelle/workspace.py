"""Where things lie on the operator's disk: the checkout, and the home of one cluster.

A home holds one cluster's ``.env`` and its ``build/`` (certificates, rendered files). The
default home is the checkout; ``nox -s verify`` uses another one (``CITADELLE_HOME``) when it
brings up a cluster of its own, so that it never touches the user's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME_VARIABLE = "CITADELLE_HOME"
# Who started what: a label on every object. CI marks its own (`.ci/run`) to find them again.
ORIGIN_VARIABLE = "CITADELLE_ORIGIN"


@dataclass(frozen=True)
class Home:
    """The files of one cluster, below one directory."""

    path: Path

    @property
    def env_file(self) -> Path:
        """The only place of parameters and secrets."""
        return self.path / ".env"

    @property
    def build(self) -> Path:
        """Everything generated for this cluster."""
        return self.path / "build"

    @property
    def compose_env(self) -> Path:
        """What compose.yaml needs besides itself, as of the last `up`; no secret in it."""
        return self.build / "compose.env"

    @property
    def takeover(self) -> Path:
        """The journal of a takeover by the remote site, as long as it lasts; no secret in it."""
        return self.build / "secours.json"

    @property
    def pki(self) -> Path:
        """One directory per plane, below which authorities and certificates lie."""
        return self.build / "pki"


def home() -> Home:
    """Return the home named by ``CITADELLE_HOME``, or the checkout."""
    return Home(Path(os.environ.get(HOME_VARIABLE) or ROOT).resolve())


def origin() -> str:
    """Return who starts things: ``operateur``, or what ``CITADELLE_ORIGIN`` says."""
    return os.environ.get(ORIGIN_VARIABLE) or "operateur"
