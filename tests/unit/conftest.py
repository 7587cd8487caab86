"""What unit tests share: one home with certificates, and the switch that rewrites golden files."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from citadelle import pki
from citadelle.workspace import Home
from tests.unit.env_files import write_env
from tests.unit.pki_home import CLUSTER


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch; pytest knows it when tests/unit is on its command line."""
    parser.addoption(
        "--write-golden",
        action="store_true",
        help="réécrit tests/unit/golden/ (à relire dans le diff)",
    )


@pytest.fixture(scope="session")
def write_golden(pytestconfig: pytest.Config) -> bool:
    """Tell whether golden files are to be written instead of compared."""
    return bool(pytestconfig.getoption("--write-golden", default=False))


@pytest.fixture(scope="session")
def ready_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return the home of factory's cluster, certificates valid today: read only."""
    home = Home(tmp_path_factory.mktemp("ready"))
    write_env(home.path)
    pki.ensure(home, CLUSTER, datetime.now(UTC))
    return home


@pytest.fixture
def heard() -> Iterator[None]:
    """Hear interruptions as a terminal's program does: `nohup` and background jobs ignore some."""
    handlers: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)
