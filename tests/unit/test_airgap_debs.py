"""The Debian packages of a bundle are those that the project's own script installs."""

from __future__ import annotations

import re

import pytest

from citadelle.airgap import debs
from citadelle.workspace import ROOT

SCRIPT = (ROOT / "scripts" / "install_local_tools.sh").read_text(encoding="utf-8")
BOOTSTRAP = (ROOT / "bootstrap").read_text(encoding="utf-8")


def asked() -> set[str]:
    """Return what the script may ask apt for on Debian, on the way to an engine."""
    plan = SCRIPT.partition("plan_engine_apt() {")[2].partition("\n}")[0]
    return set(re.findall(r"PACKAGES\+=\(([\w.-]+)\)", plan)) - {"docker-compose-v2"}  # Ubuntu's


def test_debian_13_has_all_that_the_script_asks_for() -> None:
    """Without it, the other side would need a network."""
    assert asked() <= set(debs.WANTED["trixie"])


def test_debian_12_has_all_but_what_is_debian_13_s() -> None:
    """The separate client, and Compose v2, which lies apart."""
    assert asked() - set(debs.WANTED["bookworm"]) == {"docker-cli", debs.COMPOSE[1]}


@pytest.mark.parametrize("suite", debs.WANTED)
def test_python_of_the_bootstrap(suite: str) -> None:
    """What it installs when there is no Python."""
    (line,) = re.findall(r"apt-get -qq install .*no-install-recommends (python3.*) >", BOOTSTRAP)

    assert set(line.split()) <= set(debs.WANTED[suite])
