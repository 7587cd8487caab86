"""The whole verification, as on the machine that prepared the bundle, where nothing can be had."""

from __future__ import annotations

import pytest

from tests.offline._machine import Machine
from tests.offline.conftest import TARGET

# As long as the whole of it may take on a slow machine.
VERIFY_SECONDS = 5400


@pytest.mark.slow
def test_verify(machine: Machine, installed: str) -> None:
    """`nox -s verify`: it brings a cluster of its own up from the bundle's images."""
    done = machine.run("./bootstrap", "nox", "-s", "verify", cwd=TARGET, seconds=VERIFY_SECONDS)
    print(done.stdout)

    assert done.returncode == 0
    assert "Image de base" not in done.stdout
