"""A control that cannot fail proves nothing: the copy is broken, and its control must see it."""

from __future__ import annotations

import pytest

from citadelle.audit.control import Cluster
from citadelle.audit.controls import CONTROLS
from citadelle.progress import wait_until
from tests.security import _breaks
from tests.security._breaks import Break
from tests.security.conftest import Copy

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]

# A reload, or a container made again, is seen within seconds.
SEEN_SECONDS = 30.0


def _red(copy: Copy, identifiers: tuple[str, ...]) -> set[str]:
    """Return those of the controls that are red at this moment."""
    cluster = Cluster(copy.topology, copy.home)
    wanted = [control for control in CONTROLS if control.identifier in identifiers]
    return {control.identifier for control in wanted if not control.check(cluster).ok}


def _wait_for(copy: Copy, case: Break, wanted: set[str]) -> None:
    def missing() -> str | None:
        found = _red(copy, case.controls)
        return None if found == wanted else f"rouges : {sorted(found)}"

    wait_until(missing, f"Rouges : {sorted(wanted)}", SEEN_SECONDS)


@pytest.mark.parametrize("case", _breaks.BREAKS, ids=lambda case: case.name)
def test_control_sees_the_broken_promise(copy: Copy, case: Break) -> None:
    """Red while it is broken, green once it is repaired: it is the break that it saw."""
    with case.broken(copy):
        _wait_for(copy, case, set(case.controls))
    _wait_for(copy, case, set())


def test_control_sees_the_secret_in_a_log(copy: Copy) -> None:
    """The one that cannot be repaired: what a container said stays in its log."""
    case = _breaks.LASTING
    assert _red(copy, case.controls) == set()
    with case.broken(copy):
        _wait_for(copy, case, set(case.controls))


def test_red_control_names_no_secret(copy: Copy) -> None:
    """What it found is named by its variable, never shown."""
    secret = copy.topology.settings.app_password.reveal()
    with _breaks.secret_in_an_environment(copy):
        (control,) = [control for control in CONTROLS if control.identifier == "SE-02"]
        found = control.check(Cluster(copy.topology, copy.home))

    assert secret not in found.seen + found.command
    assert "APP_PASSWORD" in found.seen
