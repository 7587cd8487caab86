"""In which order files are validated, remembered and delivered."""

from __future__ import annotations

import pytest

from citadelle import delivery, engine, images, lifecycle, moves, preflight, validate
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from citadelle.workspace import Home
from tests.unit import factory

CLUSTER = factory.topology()


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done, in order; nothing is, really."""
    found: list[str] = []
    monkeypatch.setattr(preflight, "check", lambda *_: None)
    monkeypatch.setattr(images, "build", lambda *_: None)
    monkeypatch.setattr(images, "name", lambda *_: "image")
    monkeypatch.setattr(engine, "names", lambda *_, **_k: ["citadelle_data-etcd1"])
    monkeypatch.setattr(moves, "old_etcd", lambda *_: CLUSTER)
    monkeypatch.setattr(moves, "move_peers", lambda *_: found.append("etcd"))
    monkeypatch.setattr(lifecycle, "write_compose_env", lambda *_: found.append("mémoire"))
    monkeypatch.setattr(delivery, "pending", lambda *_: ["haproxy1", "pg1"])
    monkeypatch.setattr(validate, "proxies", lambda *_: found.append("HAProxy"))
    monkeypatch.setattr(validate, "patroni", lambda *_: found.append("Patroni"))
    monkeypatch.setattr(delivery, "deliver", lambda *_: found.append("livraison"))
    return found


def refuse(*_: object) -> None:
    """As a component that does not want its configuration."""
    raise CitadelleError("refusé")


def test_validated_then_remembered_then_delivered(ready_home: Home, done: list[str]) -> None:
    """What etcd was told is remembered at once: a power cut before the delivery loses nothing."""
    lifecycle.install(CLUSTER, ready_home, Steps())
    lifecycle.install_postgres(CLUSTER, ready_home, Steps())

    assert done == ["HAProxy", "etcd", "mémoire", "livraison", "Patroni", "livraison"]


def test_what_haproxy_refuses_is_delivered_to_nobody(
    ready_home: Home, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that restarts by itself would read it; nor is anything else touched."""
    monkeypatch.setattr(validate, "proxies", refuse)
    with pytest.raises(CitadelleError, match="refusé"):
        lifecycle.install(CLUSTER, ready_home, Steps())

    assert done == []


def test_what_patroni_refuses_is_not_delivered(
    ready_home: Home, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's restart would fail with it."""
    monkeypatch.setattr(validate, "patroni", refuse)
    with pytest.raises(CitadelleError, match="refusé"):
        lifecycle.install_postgres(CLUSTER, ready_home, Steps())

    assert done == []
