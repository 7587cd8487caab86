"""PgBouncer under the audit's eyes: each weakened setting, each login let in, is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from citadelle.audit import deviations, limits, poolers, run, versions
from citadelle.audit.control import Cluster
from citadelle.topology import PGBOUNCER
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
S = TOPOLOGY.settings
CONFIGURATION = {
    **poolers.CLIENTS,
    **poolers.SERVERS,
    **poolers.TRACES,
    "auth_type": "hba",
    "auth_hba_file": "/etc/citadelle/pgbouncer_hba.conf",
    "auth_file": "/etc/citadelle/userlist.txt",
    "auth_user": S.pgbouncer_auth_user,
    "auth_query": "SELECT usename, passwd FROM citadelle.pgbouncer_lookup($1)",
    "admin_users": S.pgbouncer_admin_user,
    "stats_users": S.monitoring_user,
    "unix_socket_mode": "448",  # decimal, as SHOW CONFIG writes it
    "ignore_startup_parameters": "extra_float_digits",
    "track_extra_parameters": "IntervalStyle",
}
VERSION = "pgbouncer 1.24.1-1+deb13u2"
WRONG = "FATAL:  SASL authentication failed"
UNKNOWN = "FATAL:  no such user"
BINDING = "channel binding required, but server authenticated client without channel binding"


def answer(changes: dict[str, str], binding: str) -> str:
    """Return what a pooler in order says to one of the audit's logins."""
    if changes.get("sslmode") == "disable":
        return "FATAL:  SSL required"
    if changes.get("channel_binding") == "require":
        return binding
    if "user" in changes:  # a role that the lookup does not return is like one that is not
        return UNKNOWN
    return WRONG if "password" in changes else ""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return a cluster whose poolers are as they must be."""
    weaken(monkeypatch)
    return Cluster(TOPOLOGY, Home(Path("/nowhere")))


def weaken(
    monkeypatch: pytest.MonkeyPatch,
    node: str = "",
    settings: dict[str, str] | None = None,
    answers: Callable[[dict[str, str]], str | None] = lambda _: None,
) -> None:
    """Have one pooler run with other values, or answer otherwise where ``answers`` is a text."""

    def configuration(_cluster: Cluster, asked: str) -> dict[str, str]:
        return CONFIGURATION | (settings or {} if asked == node else {})

    def refused(_cluster: Cluster, asked: str, **changes: str) -> str:
        other = answers(changes) if asked == node else None
        return answer(changes, BINDING) if other is None else other

    monkeypatch.setattr(poolers, "configuration", configuration)
    monkeypatch.setattr(poolers, "refused", refused)
    monkeypatch.setattr(limits, "refused", refused)
    monkeypatch.setattr(versions, "said", lambda *_: dict.fromkeys(PGBOUNCER, VERSION))


def failing(cluster: Cluster) -> set[str]:
    """Return the controls of the poolers that fail."""
    return {c.identifier for c in poolers.CONTROLS if not c.check(cluster).ok}


def test_our_poolers_pass(cluster: Cluster) -> None:
    """The failures below are those of one change."""
    assert failing(cluster) == set()


@pytest.mark.parametrize("node", PGBOUNCER)
@pytest.mark.parametrize(
    ("name", "value", "control"),
    [
        ("client_tls_sslmode", "prefer", "PB-01"),
        ("client_tls_protocols", "secure", "PB-01"),
        ("server_tls_sslmode", "require", "PB-02"),
        ("server_tls_ca_file", "/etc/ssl/certs/ca-certificates.crt", "PB-02"),
        ("auth_type", "trust", "PB-03"),
        ("auth_hba_file", "/tmp/ouvert.conf", "PB-03"),
        ("auth_file", "/tmp/userlist.txt", "PB-03"),
        ("auth_query", "SELECT usename, passwd FROM pg_shadow WHERE usename = $1", "PB-03"),
        ("admin_users", "*", "PB-03"),
        ("stats_users", "app", "PB-03"),
        ("unix_socket_mode", "511", "PB-03"),
        ("track_extra_parameters", "IntervalStyle, search_path", "PB-06"),
        ("ignore_startup_parameters", "search_path", "PB-06"),
        ("log_connections", "0", "PB-07"),
        ("log_pooler_errors", "0", "PB-07"),
    ],
)
def test_weaker_setting_is_seen(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster,
    node: str,
    name: str,
    value: str,
    control: str,
) -> None:
    """On whatever pooler: each of the two is the door."""
    weaken(monkeypatch, node, {name: value})

    assert failing(cluster) == {control}


def test_setting_that_is_not_there_is_seen(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    """A console that answers nothing is no success."""
    monkeypatch.setattr(poolers, "configuration", lambda *_: {})

    assert failing(cluster) == {"PB-01", "PB-02", "PB-03", "PB-07"}


def wrong(changes: dict[str, str]) -> bool:
    """Tell whether a login is the application's, with a password that is not its own."""
    return "password" in changes and "user" not in changes


@pytest.mark.parametrize("node", PGBOUNCER)
@pytest.mark.parametrize("said", ["", "FATAL:  server login failed", "Connection refused"])
def test_password_that_nobody_looks_at_is_seen(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, node: str, said: str
) -> None:
    """A line « trust » of pgbouncer_hba.conf leaves every setting as it was."""
    weaken(monkeypatch, node, answers=lambda changes: said if wrong(changes) else None)

    assert failing(cluster) == {"PB-03"}


@pytest.mark.parametrize("node", PGBOUNCER)
@pytest.mark.parametrize("said", ["", "FATAL:  SASL authentication failed"])
def test_superuser_let_in_is_seen(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, node: str, said: str
) -> None:
    """Or only asked for his password: a pooler must not know him at all."""
    name = S.postgres_user
    weaken(monkeypatch, node, answers=lambda c: said if c.get("user") == name else None)

    assert failing(cluster) == {"PB-04"}


@pytest.mark.parametrize("node", PGBOUNCER)
def test_login_in_clear_is_seen(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, node: str
) -> None:
    """Whatever password goes with it was on the network."""
    weaken(monkeypatch, node, answers=lambda c: "" if c.get("sslmode") == "disable" else None)

    assert failing(cluster) == {"PB-05"}


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("1.25.2-1", False),
        ("1.24.1-1+deb13u2", False),
        ("1.24.1-1+deb13u12", False),
        ("1.24.1-1+deb13u1", True),
        ("1.24.1-1", True),
        ("1.25.1-1", True),
    ],
)
def test_version_without_the_corrections_is_seen(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, version: str, old: bool
) -> None:
    """Upstream's, or Debian's number for the same corrections."""
    said = {PGBOUNCER[0]: VERSION, PGBOUNCER[1]: f"pgbouncer {version}"}
    monkeypatch.setattr(versions, "said", lambda *_: said)

    assert failing(cluster) == ({"PB-08"} if old else set())


def names_verdict(cluster: Cluster) -> run.Verdict:
    """Return what the report says of LI-12, its deviation known."""
    (control,) = [c for c in limits.CONTROLS if c.identifier == "LI-12"]
    accepted = deviations.load()
    return run.judge("Limites", control, cluster, accepted, accepted["LI-12"].reviewed)


def test_two_refusals_that_differ_are_the_known_limit(cluster: Cluster) -> None:
    """What the deviation was written for."""
    verdict = names_verdict(cluster)

    assert (verdict.state, "no such user" in verdict.seen) == (run.State.JUSTIFIED, True)


def unknown(changes: dict[str, str]) -> bool:
    """Tell whether a login is that of a name which does not exist."""
    return "user" in changes


@pytest.mark.parametrize(
    ("login", "said"), [(wrong, ""), (wrong, "Connection refused"), (unknown, "")]
)
def test_login_that_is_no_refusal_is_no_known_limit(
    monkeypatch: pytest.MonkeyPatch,
    cluster: Cluster,
    login: Callable[[dict[str, str]], bool],
    said: str,
) -> None:
    """Let in with a wrong password, or not answered: no deviation excuses that."""
    weaken(monkeypatch, PGBOUNCER[1], answers=lambda changes: said if login(changes) else None)

    assert names_verdict(cluster).state is run.State.UNKNOWN
