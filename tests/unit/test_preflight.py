"""What is refused before anything is touched, and in which words."""

from __future__ import annotations

import errno
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from citadelle import engine, lifecycle, pki, preflight
from citadelle.errors import CitadelleError
from citadelle.settings import FROZEN
from citadelle.workspace import Home
from tests.unit import factory

CLUSTER = factory.topology()


@pytest.fixture
def place(ready_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home of a cluster that was brought up, and has data; nothing runs."""
    home = Home(shutil.copytree(ready_home.path, tmp_path / "home"))
    monkeypatch.setattr("citadelle.images.tag", lambda _: "etiquette")
    lifecycle.write_compose_env(CLUSTER, home)
    monkeypatch.setattr(pki, "require", lambda *_: None)
    volumes = {"volume": ["citadelle_data-pg1"]}
    monkeypatch.setattr(engine, "require", lambda: None)
    monkeypatch.setattr(engine, "names", lambda kind, **_: volumes.get(kind, []))
    monkeypatch.setattr(engine, "docker", lambda *_, **_k: "")
    return home


def refused(home: Home, **changes: str) -> str:
    """Return why a cluster with these variables may not start."""
    try:
        preflight.check(factory.topology(**changes), home)
    except CitadelleError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", FROZEN)
def test_name_that_the_data_bear(place: Home, name: str) -> None:
    """Patroni would connect as a role that does not exist, the application find no table."""
    assert f"{name} = autre : les données ont été créées avec « " in refused(
        place, **{name: "autre"}
    )


def test_same_names(place: Home) -> None:
    """And what is not the data's may change."""
    assert refused(place, MONITORING_USER="regards") == ""


def test_new_name_without_data(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `destroy`, everything may be another."""
    monkeypatch.setattr(engine, "names", lambda *_, **_k: [])

    assert refused(place, APP_DATABASE="autre") == ""


def test_name_never_noted(place: Home) -> None:
    """The cluster was brought up by a version that did not remember it."""
    kept = [line for line in place.compose_env.read_text().splitlines() if "USER" not in line]
    place.compose_env.write_text("\n".join(kept))

    assert refused(place, APP_USER="autre") == ""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that something else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield int(other.getsockname()[1])


def test_busy_port(place: Home, taken: int) -> None:
    """Who holds it is said."""
    found = refused(place, PGBOUNCER1_PUBLISHED_PORT=str(taken))

    assert f"127.0.0.1:{taken} (pooled, pgbouncer1) est déjà pris par " in found


def test_address_of_another_machine(place: Home) -> None:
    """No port is busy: the address is wrong (TEST-NET-1, RFC 5737)."""
    found = refused(place, BIND_ADDRESS="192.0.2.1")

    assert "BIND_ADDRESS = 192.0.2.1 n'est pas une adresse de cette machine" in found
    assert "déjà pris" not in found


def test_port_that_this_account_may_not_bind(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine binds it, not the operator."""
    monkeypatch.setattr(preflight, "_unusable", lambda *_: errno.EACCES)

    assert refused(place, HAPROXY1_RW_PUBLISHED_PORT="443") == ""
