"""The audit's controls on the running cluster: each holds, or its deviation was accepted.

Those of the containers and of the secrets have their own files (test_containers.py,
test_secrets.py), where no deviation is known.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from citadelle.audit import containers, deviations, run, secrets
from citadelle.audit.control import Cluster, Control
from citadelle.audit.controls import AREAS
from citadelle.audit.deviations import Deviation
from citadelle.audit.run import State

ELSEWHERE = (containers.CONTROLS, secrets.CONTROLS)
HERE = [
    pytest.param(area, control, id=control.identifier)
    for area, controls in AREAS
    if controls not in ELSEWHERE
    for control in controls
]


@pytest.fixture(scope="module")
def accepted() -> dict[str, Deviation]:
    """The reviewed deviations."""
    return deviations.load()


@pytest.mark.parametrize(("area", "control"), HERE)
def test_control(
    cluster: Cluster, accepted: dict[str, Deviation], area: str, control: Control
) -> None:
    """What the audit's report says of this control is conforming, or justified to this day."""
    verdict = run.judge(area, control, cluster, accepted, datetime.now(UTC).date())
    assert verdict.state in (State.CONFORMING, State.JUSTIFIED), verdict.seen
