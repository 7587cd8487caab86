"""An ordinary application: docs/exemples/application.py, run as its reader would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home

MANY_ROWS = 100_000
PROGRAM_SECONDS = 120


@pytest.fixture(scope="module")
def seen(home: Home, topology: Topology) -> dict[str, Any]:
    """What the example printed; it gets no environment but PATH."""
    argv = [sys.executable, str(ROOT / "docs/exemples/application.py"), "--home", str(home.path)]
    done = subprocess.run(  # our own example
        argv,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=PROGRAM_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def test_loads_many_rows_by_copy(seen: dict[str, Any]) -> None:
    """COPY through 5000 carries more than 100,000 rows."""
    assert seen["lignes_chargees"] > MANY_ROWS


@pytest.mark.parametrize("path", ["5001", "pooler"])
def test_reads_every_row_back(seen: dict[str, Any], path: str) -> None:
    """What was loaded through 5000 is there on a replica and through PgBouncer."""
    assert seen[f"lignes_relues_{path}"] == seen["lignes_chargees"]


def test_prepared_statements_survive_pooling(seen: dict[str, Any]) -> None:
    """Prepared statements give the right rows through transaction pooling."""
    assert seen["noms_prepares"][1] == "LATIN SMALL LETTER E WITH ACUTE"


@pytest.mark.parametrize("port", ["5000", "5001"])
def test_sees_its_own_address(seen: dict[str, Any], topology: Topology, port: str) -> None:
    """PostgreSQL sees the client's address, not a proxy's: here the bridge of network front."""
    assert seen[f"adresse_vue_{port}"] == str(topology.gateway_address("front"))
