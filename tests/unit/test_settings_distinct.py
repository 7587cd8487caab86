"""What must differ in ``.env`` (ports of one address, users, secrets), and what stays hidden."""

from __future__ import annotations

import pytest

from citadelle.settings import FIELDS, Settings, parse
from citadelle.variables import Secret
from tests.unit import factory
from tests.unit.env_files import WEAK, refusal

SECRETS = [name for name, field in FIELDS.items() if field.metadata["kind"] == "secret"]
USERS = [name for name, field in FIELDS.items() if field.metadata["kind"] == "user"]
PORTS = {
    place: [name for name, field in FIELDS.items() if field.metadata["kind"] == f"port/{place}"]
    for place in ("hôte", "pod", "etcd", "haproxy")
}


@pytest.mark.parametrize(
    ("place", "first", "second"),
    [(place, names[0], other) for place, names in PORTS.items() for other in names[1:]],
)
def test_port_serves_once_per_address(place: str, first: str, second: str) -> None:
    """Two listeners of one address cannot share a port."""
    found = refusal(**{second: factory.env()[first]})

    assert found == (
        f".env : le port {factory.env()[first]} sert deux fois ({first}, {second}), "
        f"même adresse : {place}"
    )


def test_port_may_serve_on_several_addresses() -> None:
    """Each container has its own address: 6432 inside and outside is no conflict."""
    names = ("PG_PORT", "ETCD_PEER_PORT", "HAPROXY_RW_PORT", "PGBOUNCER_PORT")
    same = dict.fromkeys((*names, "PGBOUNCER1_PUBLISHED_PORT"), "6432")

    assert parse(factory.env(**same)).pgbouncer1_published_port == 6432


def test_published_port_may_be_privileged() -> None:
    """The engine opens it, not a component: the inside floor of 1024 does not apply."""
    found = parse(factory.env(HAPROXY1_ADMIN_PUBLISHED_PORT="443"))

    assert found.haproxy1_admin_published_port == 443


@pytest.mark.parametrize("name", USERS[1:])
def test_user_serves_one_role(name: str) -> None:
    """A shared user would hold the rights of both roles."""
    assert "un utilisateur par rôle" in refusal(**{name: factory.env()[USERS[0]]})


@pytest.mark.parametrize("name", SECRETS[1:])
def test_secret_serves_once(name: str) -> None:
    """A secret that leaks opens one door, not two."""
    found = refusal(**{name: factory.env()[SECRETS[0]]})

    assert found.startswith(f".env : le même secret sert deux fois ({SECRETS[0]}, {name})")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "secret trop court (0 < 20 caractères)"),
        ("kT7.bQ2~mX9_zR4-pL6", "secret trop court (19 < 20 caractères)"),
        (WEAK, "secret trop faible"),
        ("kT7 bQ2 mX9 zR4 pL6 wN8", "secret refusé"),
        ("kT7'bQ2'mX9'zR4'pL6'wN8", "secret refusé"),
        ("kT7$bQ2$mX9$zR4$pL6$wN8", "secret refusé"),
        ("kT7ébQ2émX9ézR4épL6éwN8", "secret refusé"),
    ],
)
def test_poor_secret_is_refused(value: str, reason: str) -> None:
    """Long, varied, and of letters that need no quoting anywhere."""
    assert reason in refusal(APP_PASSWORD=value)


def test_every_secret_is_of_the_secret_kind() -> None:
    """A password in a plain field would show itself."""
    assert [name for name in FIELDS if name.endswith("_PASSWORD")] == SECRETS


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_settings_hide_their_secrets(show: type[str]) -> None:
    """A settings object in a log or a traceback betrays nothing."""
    found: Settings = parse(factory.env())

    assert [name for name in SECRETS if factory.env()[name] in show(found)] == []


@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_secret_hides_itself(show: type[str]) -> None:
    """``reveal()`` is the only way to read it."""
    assert show(Secret("fictif")) == "<secret>"


@pytest.mark.parametrize(
    "value", [factory.env()["POSTGRES_PASSWORD"], WEAK, "kT7.bQ2", "kT7$bQ2$mX9$zR4$pL6$wN8"]
)
def test_refusal_hides_the_secret(value: str) -> None:
    """An error is copied into tickets: it names the variable, never its value."""
    assert value not in refusal(APP_PASSWORD=value)
