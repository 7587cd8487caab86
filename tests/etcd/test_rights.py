"""Users of etcd: who may do what once his certificate is accepted."""

from __future__ import annotations

import uuid

import httpx
import pytest

from citadelle import etcd
from citadelle.etcd import PATRONI_ROLE, PATRONI_USER
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes.etcd import DENIED, Caller, key


def _range(topology: Topology, name: str) -> dict[str, object]:
    """Return the range that a test's word stands for."""
    scope = topology.settings.cluster_name
    ranges: dict[str, dict[str, object]] = {
        "own prefix": etcd.range_of(etcd.prefix(topology)),
        "prefix without slash": etcd.range_of(f"/service/{scope}"),
        "other scope": etcd.range_of("/service/other/"),
    }
    return ranges[name]


def test_patroni_reads_its_prefix(patroni: Caller, topology: Topology) -> None:
    """Patroni sees the cluster's keys, the leader among them."""
    kvs = patroni.post("/kv/range", _range(topology, "own prefix")).json()["kvs"]
    assert key(etcd.prefix(topology) + "leader") in [kv["key"] for kv in kvs]


def test_patroni_writes_its_prefix(patroni: Caller, topology: Topology) -> None:
    """What it writes below its prefix is there, then gone again."""
    name: dict[str, object] = {"key": key(f"{etcd.prefix(topology)}test-{uuid.uuid4().hex}")}
    try:
        assert patroni.message("/kv/put", name | {"value": key("x")}) == (httpx.codes.OK, "")
    finally:
        removed = patroni.post("/kv/deleterange", name).json()
    assert removed["deleted"] == "1"


# The edges of the range: tests/security/test_etcd_user.py.
@pytest.mark.parametrize("name", ["prefix without slash", "other scope"])
def test_patroni_reads_nothing_else(patroni: Caller, topology: Topology, name: str) -> None:
    """A stolen Patroni password does not reach another cluster in the same etcd."""
    assert patroni.message("/kv/range", _range(topology, name)) == DENIED


@pytest.mark.parametrize("name", ["/service/other/probe", "/probe", "/service/{}2/probe"])
def test_patroni_writes_nothing_else(patroni: Caller, topology: Topology, name: str) -> None:
    """... nor can it take that cluster over."""
    place = name.format(topology.settings.cluster_name)
    assert patroni.message("/kv/put", {"key": key(place), "value": ""}) == DENIED


def test_patroni_cannot_hide_a_key_in_a_transaction(patroni: Caller) -> None:
    """A nested operation is judged as if it stood alone (CVE-2026-33343)."""
    inner = {"request_put": {"key": key("/probe"), "value": ""}}
    nested = {"request_txn": {"success": [inner]}}
    assert patroni.message("/kv/txn", {"success": [nested]}) == DENIED


ADMINISTRATION: dict[str, dict[str, object]] = {
    "/auth/user/list": {},
    "/auth/user/add": {"name": "probe", "password": "probe"},
    "/auth/user/grant": {"user": PATRONI_USER, "role": "root"},
    "/auth/user/changepw": {"name": PATRONI_USER, "password": "probe"},
    "/auth/role/list": {},
    "/auth/role/add": {"name": "probe"},
    "/auth/disable": {},
    "/maintenance/snapshot": {},
    "/cluster/member/add": {"peerURLs": ["https://probe:2380"]},
}


@pytest.mark.parametrize("path", ADMINISTRATION)
def test_patroni_administers_nothing(patroni: Caller, path: str) -> None:
    """A stolen Patroni password gives no rights, no user, no copy of the data, no member."""
    answer = patroni.post(path, ADMINISTRATION[path])
    assert "permission denied" in answer.text


def test_users(root: Caller) -> None:
    """Root and patroni are the only users."""
    assert root.post("/auth/user/list", {}).json()["users"] == [PATRONI_USER, "root"]


@pytest.mark.parametrize(("user", "role"), [("root", "root"), (PATRONI_USER, PATRONI_ROLE)])
def test_user_has_one_role(root: Caller, user: str, role: str) -> None:
    """Each user holds its own role and no other."""
    assert root.post("/auth/user/get", {"name": user}).json()["roles"] == [role]


def test_role_is_one_range(root: Caller, topology: Topology) -> None:
    """The trailing slash is in the range: without it ``<scope>2`` would be inside."""
    granted = root.post("/auth/role/get", {"role": PATRONI_ROLE}).json()["perm"]
    assert granted == [_range(topology, "own prefix") | {"permType": "READWRITE"}]


def test_ensure_auth_writes_nothing_again(root: Caller, topology: Topology, home: Home) -> None:
    """Any write to the auth store, even an identical one, invalidates Patroni's tokens."""
    before = root.post("/auth/status", {}).json()["authRevision"]
    assert etcd.ensure_auth(topology, home) is False
    assert root.post("/auth/status", {}).json()["authRevision"] == before
