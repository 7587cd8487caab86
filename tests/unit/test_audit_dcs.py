"""etcd under the audit's eyes: what it grants beyond its two users and their roles is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from citadelle import clients, etcd
from citadelle.audit import dcs
from citadelle.audit.control import Cluster
from citadelle.etcd import PATRONI_ROLE, EtcdError
from citadelle.topology import ETCD
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
PREFIX = etcd.range_of(etcd.prefix(TOPOLOGY))
OWN = [PREFIX | {"permType": "READWRITE"}]
DENIED = EtcdError("etcdserver: permission denied")
NEIGHBOUR = etcd.range_of(f"/service/{TOPOLOGY.settings.cluster_name}2/")
EVERYTHING: dict[str, object] = {"key": "AA==", "range_end": "AA=="}


class Quorum:
    """etcd as it must be; each test changes one thing of it."""

    def __init__(self) -> None:
        self.stranger: Exception | None = EtcdError("etcdserver: user name is empty")
        self.users = {"root": ["root"], "patroni": ["patroni"]}
        self.granted = [dict(permission) for permission in OWN]
        self.denied: dict[str, Exception | None] = dict.fromkeys(
            (str(NEIGHBOUR), str(EVERYTHING), "{}"), DENIED
        )
        self.profiler = dict.fromkeys(ETCD, 404)

    def call(self, user: str, path: str, body: dict[str, object]) -> dict[str, Any]:
        """Answer one user; the empty one gave no password."""
        if not user:
            return self._unless(self.stranger)
        if user == "patroni":
            return self._unless(self.denied[str(body)])
        if path == "/auth/user/list":
            return {"users": list(self.users)}
        if path == "/auth/user/get":
            return {"roles": self.users[str(body["name"])]}
        assert (path, body) == ("/auth/role/get", {"role": PATRONI_ROLE})
        return {"perm": self.granted}

    @staticmethod
    def _unless(refusal: Exception | None) -> dict[str, Any]:
        if refusal is not None:
            raise refusal
        return {"kvs": []}

    def request(self, *argv: object, server_name: str) -> httpx.Response:
        """Return what a member answers about its profiler."""
        _, _, address, _, path = argv
        assert (address, path) == (TOPOLOGY.address(server_name, "dcs"), "/debug/pprof/")
        return httpx.Response(self.profiler[server_name])


class Client:
    """The operator's client of a quorum, as far as the controls use it."""

    def __init__(self, quorum: Quorum) -> None:
        self.quorum, self.user = quorum, ""

    def login(self, user: str, _password: str) -> None:
        """Be this user from now on."""
        self.user = user

    def call(self, path: str, body: dict[str, object]) -> dict[str, Any]:
        """Ask the quorum."""
        return self.quorum.call(self.user, path, body)


@pytest.fixture
def quorum(monkeypatch: pytest.MonkeyPatch) -> Quorum:
    """Return the etcd that the controls below ask."""
    found = Quorum()
    monkeypatch.setattr(dcs, "Etcd", lambda *_: Client(found))
    monkeypatch.setattr(clients, "context", lambda *_: None)
    monkeypatch.setattr(clients, "request", found.request)
    return found


def failing() -> set[str]:
    """Return the controls of etcd that fail."""
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    return {c.identifier for c in dcs.CONTROLS if not c.check(cluster).ok}


def test_our_etcd_passes(quorum: Quorum) -> None:
    """The failures below are those of one change."""
    assert failing() == set()


@pytest.mark.parametrize("said", [None, EtcdError("etcdserver: not capable")])
def test_certificate_alone_that_opens_is_seen(quorum: Quorum, said: Exception | None) -> None:
    """Authentication is off; or something else refused than the missing password."""
    quorum.stranger = said

    assert failing() == {"ET-01"}


@pytest.mark.parametrize(
    "users",
    [
        {"root": ["root"], "patroni": ["patroni"], "intrus": []},
        {"root": ["root"], "patroni": ["patroni", "root"]},
        {"root": ["root"]},
        {},
    ],
)
def test_other_users_or_roles_are_seen(quorum: Quorum, users: dict[str, list[str]]) -> None:
    """One more, one less, or a role too many."""
    quorum.users = users

    assert failing() == {"ET-02"}


@pytest.mark.parametrize(
    "granted",
    [
        [*OWN, {"key": "L2F1dHJl", "permType": "READWRITE"}],
        [NEIGHBOUR | {"permType": "READWRITE"}],
        [EVERYTHING | {"permType": "READWRITE"}],
        [PREFIX | {"permType": "READ"}],
        [],
    ],
)
def test_other_permissions_are_seen(quorum: Quorum, granted: list[dict[str, object]]) -> None:
    """A key outside of the cluster's prefix, all of them, or none."""
    quorum.granted = granted

    assert failing() == {"ET-03"}


@pytest.mark.parametrize("place", [str(NEIGHBOUR), str(EVERYTHING), "{}"])
@pytest.mark.parametrize("said", [None, EtcdError("etcdserver: request timed out")])
def test_patroni_that_reads_more_is_seen(
    quorum: Quorum, place: str, said: Exception | None
) -> None:
    """A neighbour's keys, all keys, the list of users; a silence is no refusal."""
    quorum.denied[place] = said

    assert failing() == {"ET-04"}


@pytest.mark.parametrize("node", ETCD)
def test_profiler_is_seen(quorum: Quorum, node: str) -> None:
    """It shows memory, hence keys, to whoever has a certificate."""
    quorum.profiler[node] = 200

    assert failing() == {"ET-05"}
