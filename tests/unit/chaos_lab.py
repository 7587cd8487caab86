"""What the tests of citadelle/chaos share: results, outcomes, an engine that only notes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citadelle.chaos.fault import Fault, Field
from citadelle.chaos.outcome import Entrance, Outcome, Sight
from citadelle.errors import CitadelleError
from citadelle.stress.plan import Plan
from citadelle.stress.result import ErrorClass, Gap, Result
from citadelle.stress.verdict import Verdict
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
QUIET = Entrance(lost=0, phantom=0, in_doubt=0, writes=1000, gap=0.2)
SEEN = Sight(samples=500, acknowledged=300, dual=0)


def nothing(_field: Field) -> None:
    """Provoke, or restore, nothing."""


def fault(**changes: Any) -> Fault:  # noqa: ANN401  # fields of Fault
    """Return a fault that does nothing but what ``changes`` say."""
    texts = {"name": "essai", "title": "Essai", "what": "Rien.", "expectation": "Rien."}
    return Fault(**{**texts, "inject": nothing, "restore": nothing, **changes})


def outcome(**changes: Any) -> Outcome:  # noqa: ANN401  # fields of Outcome
    """Return what is seen of a fault that is survived, but for ``changes``."""
    usual: dict[str, Any] = {"fault": fault(), "started": "2026-11-22T00:00:00+00:00"}
    usual |= {"held_seconds": 1.0, "health_seconds": 5.0}
    usual |= {"pooled": QUIET, "direct": QUIET, "watch": SEEN}
    return Outcome(**usual | changes)


def field(home: Home | None = None) -> Field:
    """Return a field of factory's cluster; the image is not looked up."""
    found = Field(TOPOLOGY, home or Home(Path(factory.__file__).parent / "absent"))
    found.__dict__["image"] = "sha256:image"
    return found


def result(
    *, lost: int = 0, phantom: int = 0, gap: float = 0.2, errors: Mapping[str, int] | None = None
) -> Result:
    """Return what a load of the stress package reports."""
    return Result(
        plan=Plan(),
        started="2026-11-22T00:00:00+00:00",
        run="run",
        duration_seconds=10.0,
        writes=1000,
        reads=0,
        p50_ms=1.0,
        p99_ms=2.0,
        max_ms=3.0,
        longest_gap=Gap(1.0, gap),
        errors=tuple(
            ErrorClass("requête", name, count, "", 0.0) for name, count in (errors or {}).items()
        ),
        refusals=(),
        unsent=0,
        seconds=(),
        marks=(),
        verdict=Verdict(kept=1000, lost=lost, phantom=phantom),
    )


class Engine:
    """Stands in for ``docker``: notes every command, knows the state of each container."""

    def __init__(self, **states: dict[str, Any]) -> None:
        self.states = states  # by container without the cluster's name, "-" written "_"
        self.commands: list[tuple[str, ...]] = []
        self.refused: tuple[str, ...] = ()  # words of commands that fail
        self.said: dict[str, str] = {}  # what a command prints, by one of its words
        self.inputs: list[str] = []  # what commands were given to read
        self.lines: dict[str, list[str]] = {}  # delay lines (engine's names) by owner

    def docker(self, *argv: str, stdin: bytes | None = None, **_options: Any) -> str:  # noqa: ANN401  # the engine's own
        """Note a command; fail if it is one of the refused."""
        self.commands.append(argv)
        if stdin is not None:
            self.inputs.append(stdin.decode())
        if any(word in argv for word in self.refused):
            raise CitadelleError(f"refusé : {argv[0]}")
        return next((text for word, text in self.said.items() if word in argv), "")

    def execute(self, container: str, *argv: str, **options: Any) -> str:  # noqa: ANN401
        """Note a command run inside a container."""
        return self.docker("exec", container, *argv, **options)

    def names(self, _kind: str, **labels: str) -> list[str]:
        """Return the containers that carry a label of delay lines."""
        return self.lines.get(labels["line"], [])

    def inspect(self, _kind: str, name: str) -> list[dict[str, Any]]:
        """Return the state of one container; running unless told otherwise."""
        short = name.removeprefix(f"{TOPOLOGY.settings.cluster_name}-").replace("-", "_")
        usual = {"Running": True, "Paused": False, "Status": "running"}
        return [{"State": usual | self.states.get(short, {}), "Image": "sha256:image"}]

    def verbs(self) -> list[tuple[str, ...]]:
        """Return each command's verb and last argument, the cluster's name left out."""
        prefix = f"{TOPOLOGY.settings.cluster_name}-"
        return [(argv[0], argv[-1].removeprefix(prefix)) for argv in self.commands]
