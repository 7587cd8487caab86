"""PostgreSQL's settings under the audit's eyes: each weakening turns its control red."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle.audit import parameters, reads, roles
from citadelle.audit.control import Cluster
from citadelle.topology import PG
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
COMMON = {
    **parameters.TLS,
    **parameters.FILES,
    **parameters.COMMANDS,
    **parameters.CONNECTIONS,
    **parameters.STATEMENTS,
    **parameters.QUIET,
    **parameters.DURABILITY,
    "log_replication_commands": "on",
    "password_encryption": "scram-sha-256",
    "scram_iterations": "4096",
    "unix_socket_permissions": "0700",
    "allow_alter_system": "off",
    "log_line_prefix": "%m [%p] %q%u@%d %h %a ",
    "authentication_timeout": "10",
    "wal_receiver_timeout": "10000",
    "server_version": "17.12 (Debian 17.12-0+deb13u1)",
    "data_directory": "/var/lib/citadelle/pgdata",
}


KEYS = "400 902 /etc/citadelle/tls/pg-server.key\n400 902 /etc/citadelle/tls/rewind.key\n"
DIRECTORY = "700 902\n"


def failing(
    monkeypatch: pytest.MonkeyPatch,
    node: str = "",
    *,
    keys: str = KEYS,
    directory: str = DIRECTORY,
    alter_system: str = "",
    **changes: str,
) -> set[str]:
    """Return the controls that fail when one node runs with other values, or other files."""

    def sql(_cluster: Cluster, asked: str, query: str, _database: str = "") -> tuple[str, ...]:
        listening = {"listen_addresses": f"127.0.0.1,{TOPOLOGY.address(asked, 'pg')}"}
        found = COMMON | listening | (changes if asked == node else {})
        if "pg_file_settings" in query:
            return (alter_system,) if alter_system and asked == node else ()
        return tuple(f"{k}={v}" for k, v in found.items())

    def inside(_cluster: Cluster, asked: str, *argv: str) -> str:
        sound, found = (DIRECTORY, directory) if argv[0] == "stat" else (KEYS, keys)
        return found if asked == node else sound

    monkeypatch.setattr(reads, "sql", sql)
    monkeypatch.setattr(parameters, "sql", sql)
    monkeypatch.setattr(parameters, "inside", inside)
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    return {c.identifier for c in parameters.CONTROLS if not c.check(cluster).ok}


def test_our_settings_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failures below are those of one setting."""
    assert failing(monkeypatch) == set()


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize(
    ("name", "value", "control"),
    [
        ("ssl", "off", "PG-10"),
        ("ssl_min_protocol_version", "TLSv1.2", "PG-10"),
        ("hba_file", "/var/lib/citadelle/pgdata/pg_hba.conf", "PG-11"),
        ("password_encryption", "md5", "PG-13"),
        ("scram_iterations", "1", "PG-13"),
        ("listen_addresses", "*", "PG-14"),
        ("unix_socket_permissions", "0777", "PG-14"),
        ("allow_alter_system", "on", "PG-15"),
        ("restore_command", "/tmp/evil", "PG-16"),
        ("shared_preload_libraries", "pg_stat_statements,evil", "PG-16"),
        ("log_connections", "off", "PG-17"),
        ("log_line_prefix", "%m [%p] ", "PG-18"),
        ("log_statement", "none", "PG-19"),
        ("log_replication_commands", "off", "PG-20"),
        ("log_hostname", "on", "PG-21"),
        ("fsync", "off", "PG-22"),
        ("authentication_timeout", "60", "PG-23"),
        ("wal_receiver_timeout", "0", "PG-23"),
        ("server_version", "17.9", "PG-24"),
    ],
)
def test_weaker_setting_is_seen(
    monkeypatch: pytest.MonkeyPatch, node: str, name: str, value: str, control: str
) -> None:
    """On whatever node: the one that is forgotten is the one that is promoted."""
    assert failing(monkeypatch, node, **{name: value}) == {control}


@pytest.mark.parametrize("node", PG)
def test_line_of_alter_system_is_seen(monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    """Left from before it was refused, or in error: the file is not what runs."""
    assert failing(monkeypatch, node, alter_system="fsync fixé par ALTER SYSTEM") == {"PG-15"}


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize(
    "keys",
    [
        KEYS.replace("400 902 /etc/citadelle/tls/rewind", "440 902 /etc/citadelle/tls/rewind"),
        KEYS.replace("400 902 /etc/citadelle/tls/rewind", "400 0 /etc/citadelle/tls/rewind"),
        "",
    ],
)
def test_key_that_another_may_read_is_seen(
    monkeypatch: pytest.MonkeyPatch, node: str, keys: str
) -> None:
    """A mode, an account; no key at all is no success."""
    assert failing(monkeypatch, node, keys=keys) == {"PG-12"}


def test_keys_among_the_data_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The role that rewinds reads whatever is there."""
    place = "/etc/citadelle/tls/pgdata"

    assert failing(monkeypatch, PG[2], data_directory=place) == {"PG-12"}


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("directory", ["750 902\n", "700 0\n", "\n"])
def test_data_that_another_may_read_are_seen(
    monkeypatch: pytest.MonkeyPatch, node: str, directory: str
) -> None:
    """Mode and account of the directory."""
    assert failing(monkeypatch, node, directory=directory) == {"PG-25"}


# What the primary answers, by query and database: the application's has the lookup function.
RIGHTS: dict[tuple[str, str], list[str]] = {
    (roles.DATABASES, ""): ["app", "postgres", "template1"],
    (roles.SUPERUSERS, ""): [TOPOLOGY.settings.postgres_user],
    (roles.POWERS, ""): [f"{TOPOLOGY.settings.replicator_user} : REPLICATION"],
    (roles.MEMBERS, ""): [f"{TOPOLOGY.settings.monitoring_user} dans pg_monitor"],
    (roles.DEFINERS, "app"): [roles.LOOKUP],
}


def wrong_rights(
    monkeypatch: pytest.MonkeyPatch, changes: dict[tuple[str, str], list[str]]
) -> set[str]:
    """Return the controls on roles that fail when some answers are others."""
    answers = RIGHTS | changes

    def sql(_cluster: Cluster, _node: str, query: str, database: str = "") -> tuple[str, ...]:
        return tuple(answers.get((query, database), ()))

    monkeypatch.setattr(roles, "leader", lambda _: "pg1")
    monkeypatch.setattr(roles, "sql", sql)
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    return {c.identifier for c in roles.CONTROLS if not c.check(cluster).ok}


def test_our_rights_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failures below are those of one answer."""
    assert wrong_rights(monkeypatch, {}) == set()


@pytest.mark.parametrize(
    ("query", "database", "rows", "control"),
    [
        (roles.SUPERUSERS, "", ["postgres", "intrus"], "PG-30"),
        (roles.SUPERUSERS, "", [], "PG-30"),
        (roles.POWERS, "", ["replicator : REPLICATION", "app : CREATEROLE"], "PG-31"),
        (roles.VERIFIERS, "", ["app : autre chose que SCRAM"], "PG-32"),
        (roles.MEMBERS, "", ["monitoring dans pg_monitor", "app dans pg_read_all_data"], "PG-33"),
        (roles.PUBLIC_DATABASES, "", ["app : CONNECT"], "PG-34"),
        (roles.PUBLIC_SCHEMAS, "app", ["public : CREATE"], "PG-35"),
        (roles.PUBLIC_SCHEMAS, "template1", ["public : CREATE"], "PG-35"),
        (roles.FOREIGN, "app", ["langage plpython3u"], "PG-36"),
        (roles.FOREIGN, "postgres", ["fonction C public.ouvre(text)"], "PG-36"),
        (roles.DEFINERS, "app", [f"{roles.LOOKUP} (PUBLIC)"], "PG-37"),
        (roles.DEFINERS, "app", [roles.LOOKUP, "public.autre sans search_path"], "PG-37"),
        (roles.DEFINERS, "app", [], "PG-37"),
        (roles.DEFINERS, "postgres", ["public.autre sans search_path"], "PG-37"),
        (roles.OVERRIDES, "", ["app : log_statement=none"], "PG-38"),
    ],
)
def test_right_too_many_is_seen(
    monkeypatch: pytest.MonkeyPatch, query: str, database: str, rows: list[str], control: str
) -> None:
    """A role, a grant, a function or a setting that is not the project's own."""
    assert wrong_rights(monkeypatch, {(query, database): rows}) == {control}


@pytest.mark.parametrize("listed", [[], [""], ["postgres", "template1"]])
def test_database_that_was_not_read_is_no_success(
    monkeypatch: pytest.MonkeyPatch, listed: list[str]
) -> None:
    """Nothing read is not nothing wrong: the application's database must be among them."""
    found = wrong_rights(monkeypatch, {(roles.DATABASES, ""): listed})

    assert found == {"PG-35", "PG-36", "PG-37"}
