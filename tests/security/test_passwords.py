"""Each password of .env opens its own doors and no other: every password at every door.

A password that leaks from one place (an application's configuration, a backup script, a pooler)
must be worth that place alone.
"""

from __future__ import annotations

import re

import pytest

from citadelle import engine
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.probes.sqlstate import ENTERED, NOT_ALLOWED, WRONG_PASSWORD, Answer
from tests.security import _logins
from tests.security._logins import ACCOUNTS, DOORS, Door

# What each door says to a user that it does not know or does not let in: code, then words.
STRANGER = {
    "rw": f"{NOT_ALLOWED} pg_hba.conf rejects",
    "ro": f"{NOT_ALLOWED} pg_hba.conf rejects",
    "pod": f"{NOT_ALLOWED} pg_hba.conf rejects",
    "pooled": "08P01 (no such user|login rejected)",
    "pooled_ro": "08P01 (no such user|login rejected)",
    "console": "08P01 (no such user|login rejected|not allowed|bouncer config error)",
    "etcd": "400 etcdserver: authentication failed, invalid user ID or password",
    "rest": "401 not authenticated",
    "admin": "401 .*401 Unauthorized",
}
# ... and to one that it knows, with another's password.
WRONG = STRANGER | {
    "rw": f"{WRONG_PASSWORD} password authentication failed",
    "ro": f"{WRONG_PASSWORD} password authentication failed",
    "pod": f"{WRONG_PASSWORD} password authentication failed",
    "pooled": "08P01 SASL authentication failed",
    "pooled_ro": "08P01 SASL authentication failed",
    "console": "08P01 SASL authentication failed",
}
# What each says to the right pair.
WELCOME = {"etcd": "200", "admin": "200"}


def _name(door: Door) -> str:
    return f"{door.service}@{door.node}"


def _rows(*, own: bool) -> list[object]:
    """Return each account at each door, those that are its own or all the others.

    The REST API's own pair is judged further down (test_patroni_knows_its_password).
    """
    rows = [(door, account) for door in DOORS for account in ACCOUNTS]
    return [
        pytest.param(door, account, id=f"{account}-{_name(door)}")
        for door, account in rows
        if (account in door.opens) is own and (not own or door.service != "rest")
    ]


def _borrowed() -> list[object]:
    """Return each password under the name of each user of a door, at one node of each kind."""
    first = {door.service: door for door in reversed(DOORS)}.values()
    return [
        pytest.param(door, account, owner, id=f"{account}-as-{owner}-{_name(door)}")
        for door in first
        for owner in door.opens
        for account in ACCOUNTS
        if account != owner
    ]


def _closed(topology: Topology, door: Door, account: str) -> bool:
    """Tell whether POOLING=strict shuts this door to an account that it is otherwise for."""
    return topology.settings.pooling == "strict" and door.direct and account == "app"


def test_matrix_holds_every_secret(topology: Topology) -> None:
    """A password added to .env must be tried at every door too."""
    tried = {f"{account}_password".upper() for account in ACCOUNTS}
    assert tried == set(topology.settings.secrets())


@pytest.mark.parametrize(("door", "account"), _rows(own=True))
def test_right_password_enters(topology: Topology, home: Home, door: Door, account: str) -> None:
    """The refusals below are not those of a dead door."""
    answer = _logins.knock(topology, home, door, *_logins.login(topology.settings, account))
    expected = WELCOME.get(door.service, ENTERED)
    assert answer.code == (NOT_ALLOWED if _closed(topology, door, account) else expected)


# Patroni's own code judges the pair that it is given on its standard input, with its own file: a
# right pair is never sent with a request that could change something.
JUDGE = """
import base64, sys, types
from patroni.api import RestApiServer
from patroni.config import Config
own = Config('/etc/citadelle/patroni.yml').get('restapi')
key = base64.b64encode(own['auth'].encode())
server = types.SimpleNamespace(_RestApiServer__auth_key=key)
server.check_basic_auth_key = lambda shown: RestApiServer.check_basic_auth_key(server, shown)
shown = base64.b64encode(%r.encode()).decode()
print(RestApiServer.check_auth_header(server, 'Basic ' + shown) or 'accepted')
"""


@pytest.mark.parametrize(
    ("account", "verdict"), [("patroni_rest", "accepted"), ("app", "not authenticated")]
)
def test_patroni_knows_its_password(topology: Topology, account: str, verdict: str) -> None:
    """The REST API's 401 below is about the password: the right one is accepted."""
    user, _ = _logins.login(topology.settings, "patroni_rest")
    _, password = _logins.login(topology.settings, account)
    container, script = f"{topology.settings.cluster_name}-{PG[0]}", JUDGE % f"{user}:{password}"
    argv = ("/opt/patroni/bin/python", "-")
    assert engine.execute(container, *argv, stdin=script.encode()).strip() == verdict


@pytest.mark.parametrize(("door", "account"), _rows(own=False))
def test_account_is_refused_elsewhere(
    topology: Topology, home: Home, door: Door, account: str
) -> None:
    """A user with its right password, at a door that is not its own."""
    answer = _logins.knock(topology, home, door, *_logins.login(topology.settings, account))
    _expect(answer, STRANGER[door.service])


@pytest.mark.parametrize(("door", "account", "owner"), _borrowed())
def test_password_is_nobody_else_s(
    topology: Topology, home: Home, door: Door, account: str, owner: str
) -> None:
    """No two doors open with the same secret: one password under another's name."""
    user, _ = _logins.login(topology.settings, owner)
    _, password = _logins.login(topology.settings, account)
    answer = _logins.knock(topology, home, door, user, password)
    words = STRANGER if _closed(topology, door, owner) else WRONG
    _expect(answer, words[door.service])


def _expect(answer: Answer, words: str) -> None:
    said = f"{answer.code} {answer.words}"
    assert re.match(words, said, re.DOTALL), f"au lieu de « {words} » : {said}"
