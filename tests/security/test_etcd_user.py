"""etcd's user ``patroni`` in the wrong hands, certificate and password: its prefix, nothing else.

tests/etcd/test_rights.py holds the plain attempts; these are the ones at the edges of the range,
inside transactions, by watches, and every administrative call of the API that is not there.
"""

from __future__ import annotations

import httpx
import pytest

from citadelle import etcd
from citadelle.etcd import PATRONI_ROLE, PATRONI_USER
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import etcd as users
from tests.probes import https
from tests.probes.etcd import DENIED, Caller, key

# The first byte of all keys and the API's word for "to the end" are the same.
ZERO = "AA=="
Body = dict[str, object]


@pytest.fixture(scope="module")
def patroni(topology: Topology, home: Home) -> Caller:
    """What Patroni is."""
    return users.patroni(topology, home)


def _range(topology: Topology, name: str) -> Body:
    """Return the range that a test's word stands for."""
    scope, own = topology.settings.cluster_name, etcd.range_of(etcd.prefix(topology))
    ranges: dict[str, Body] = {
        "own prefix": own,
        "from own prefix to the end": own | {"range_end": ZERO},
        "from the beginning to own prefix": {"key": ZERO, "range_end": own["range_end"]},
        "from own prefix a little further": own | {"range_end": key(f"/service/{scope}0a")},
        "all keys": {"key": ZERO, "range_end": ZERO},
        "first key after the prefix": {"key": own["range_end"]},
        "own scope without the slash": {"key": key(f"/service/{scope}")},
        "longer scope": etcd.range_of(f"/service/{scope}2/"),
        "scope and a dash": etcd.range_of(f"/service/{scope}-test/"),
        "shorter scope": etcd.range_of(f"/service/{scope[:-1]}/"),
        "all scopes": etcd.range_of("/service/"),
        "other namespace": etcd.range_of(f"/db/{scope}/"),
        "two slashes": etcd.range_of(f"/service//{scope}/"),
        "capitals": etcd.range_of(f"/service/{scope.upper()}/"),
    }
    return ranges[name]


OUTSIDE = [
    "from own prefix to the end",
    "from the beginning to own prefix",
    "from own prefix a little further",
    "all keys",
    "first key after the prefix",
    "own scope without the slash",
    "longer scope",
    "scope and a dash",
    "shorter scope",
    "all scopes",
    "other namespace",
    "two slashes",
    "capitals",
]


@pytest.mark.parametrize("detail", [{}, {"keys_only": True}, {"count_only": True}, {"limit": "1"}])
@pytest.mark.parametrize("name", OUTSIDE)
def test_range_is_refused(patroni: Caller, topology: Topology, name: str, detail: Body) -> None:
    """Neither values, nor keys, nor how many: a cluster whose name begins the same is another."""
    assert patroni.message("/kv/range", _range(topology, name) | detail) == DENIED


# Only ranges where nothing of the cluster lies: if it were not refused, it would be lost.
EMPTY = ["first key after the prefix", "longer scope", "shorter scope", "other namespace"]


@pytest.mark.parametrize("name", EMPTY)
def test_deletion_is_refused(patroni: Caller, topology: Topology, name: str) -> None:
    """Another cluster's keys are not his to delete."""
    assert patroni.message("/kv/deleterange", _range(topology, name)) == DENIED


def test_transaction_of_its_own_passes(patroni: Caller, topology: Topology) -> None:
    """The refusals below are not those of a call that etcd does not understand."""
    own = {"request_range": _range(topology, "own prefix")}
    assert patroni.message("/kv/txn", {"success": [own], "failure": [own]})[0] == httpx.codes.OK


PROBE = {"key": key("/probe-of-a-test")}
HIDDEN: dict[str, Body] = {
    "range in success": {"success": [{"request_range": PROBE}]},
    "range in failure": {"failure": [{"request_range": PROBE}]},
    "put in failure": {"failure": [{"request_put": PROBE | {"value": ""}}]},
    "deletion in success": {"success": [{"request_delete_range": PROBE}]},
    "comparison": {"compare": [PROBE | {"target": "VERSION", "result": "EQUAL", "version": "0"}]},
    "comparison of a range": {
        "compare": [
            {"key": ZERO, "range_end": ZERO, "target": "MOD", "result": "LESS", "mod_revision": "0"}
        ]
    },
}


def _nested(body: Body, depth: int) -> Body:
    for _ in range(depth):
        body = {"success": [{"request_txn": body}]}
    return body


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_operation_is_refused(patroni: Caller, name: str, depth: int) -> None:
    """In a transaction, or in one inside another (CVE-2026-33343), it is judged as if alone."""
    assert patroni.message("/kv/txn", _nested(HIDDEN[name], depth)) == DENIED


# --- Watches -------------------------------------------------------------------------------------


def _watch(patroni: Caller, wanted: Body) -> str:
    """Ask for a watch; return etcd's reason to cancel it at once, empty when it is taken."""
    topology = patroni.etcd.topology
    place = f"{topology.address('etcd1', 'dcs')}:{topology.settings.etcd_client_port}"
    with (
        httpx.Client(verify=patroni.etcd.tls, timeout=https.SECONDS, trust_env=False) as client,
        client.stream(
            "POST",
            f"https://{place}/v3/watch",
            json={"create_request": wanted},
            headers={"Authorization": patroni.etcd.token},
            extensions={"sni_hostname": "etcd1"},
        ) as answer,
    ):
        # The stream of a watch never ends; its first line says whether it was taken.
        line = next(answer.iter_lines())
    assert '"created":true' in line, line
    return line.partition('"cancel_reason":')[2]


def test_watch_of_its_own_passes(patroni: Caller, topology: Topology) -> None:
    """Patroni watches its keys: the refusals below are about the range."""
    assert _watch(patroni, _range(topology, "own prefix")) == ""


def _watched(name: str) -> object:
    known = pytest.mark.xfail(
        strict=True,
        raises=AssertionError,
        reason="etcd < 3.5.33 (GHSA-xg4h-6gfc-h4m8) : lire une clé permet de suivre toutes celles"
        " qui viennent après",
    )
    return pytest.param(name, marks=known if name == OUTSIDE[0] else ())


@pytest.mark.parametrize("name", [_watched(name) for name in OUTSIDE])
def test_watch_is_refused(patroni: Caller, topology: Topology, name: str) -> None:
    """What may not be read may not be followed either."""
    assert "permission denied" in _watch(patroni, _range(topology, name))


# --- Administration ------------------------------------------------------------------------------

EVERYTHING = {"key": ZERO, "range_end": ZERO, "permType": 2}
# Names and numbers that do not exist, changes that change nothing: harmless if not refused.
ADMINISTRATION: list[tuple[str, Body]] = [
    ("/auth/status", {}),
    ("/auth/enable", {}),
    ("/auth/user/get", {"name": "root"}),
    ("/auth/user/delete", {"name": "probe-of-a-test"}),
    ("/auth/user/changepw", {"name": "probe-of-a-test", "password": "x"}),
    ("/auth/user/revoke", {"name": "probe-of-a-test", "role": "root"}),
    ("/auth/role/get", {"role": "root"}),
    ("/auth/role/delete", {"role": "probe-of-a-test"}),
    ("/auth/role/grant", {"role": "probe-of-a-test", "perm": EVERYTHING}),
    ("/auth/role/revoke", {"role": "probe-of-a-test", "key": ZERO}),
    ("/kv/compaction", {"revision": "1"}),
    ("/maintenance/status", {}),
    ("/maintenance/hash", {}),
    ("/maintenance/hashkv", {}),
    ("/maintenance/defragment", {}),
    ("/maintenance/alarm", {"action": "DEACTIVATE", "alarm": "NONE"}),
    ("/maintenance/downgrade", {"action": "VALIDATE", "version": "3.5.0"}),
    ("/maintenance/transfer-leadership", {"targetID": "1"}),
    ("/cluster/member/remove", {"ID": "1"}),
    ("/cluster/member/update", {"ID": "1", "peerURLs": ["https://probe:2380"]}),
    ("/cluster/member/promote", {"ID": "1"}),
    ("/lock/lock", {"name": key("/probe-of-a-test")}),
    ("/election/campaign", {"name": key("/probe-of-a-test")}),
    ("/election/leader", {"name": key("/probe-of-a-test")}),
]


@pytest.mark.parametrize(("path", "body"), ADMINISTRATION, ids=[row[0] for row in ADMINISTRATION])
def test_administration_is_refused(patroni: Caller, path: str, body: Body) -> None:
    """No user, no right, no maintenance, no member, no lock outside its prefix."""
    status, message = patroni.message(path, body)
    assert (status != httpx.codes.OK, message.endswith(": permission denied")) == (True, True)


@pytest.mark.parametrize("path", ["/auth/user/get", "/auth/role/get"])
def test_it_knows_itself(patroni: Caller, path: str) -> None:
    """The counter-proof: the same calls about itself are answered."""
    body: Body = {"name": PATRONI_USER, "role": PATRONI_ROLE}
    wanted = {k: v for k, v in body.items() if (k == "name") == path.startswith("/auth/user")}
    assert patroni.message(path, wanted) == (httpx.codes.OK, "")


def test_key_does_not_hang_on_a_lease_that_is_not(patroni: Caller, topology: Topology) -> None:
    """A key of its own under somebody's lease would end with it: the lease must exist."""
    mine: Body = {"key": key(f"{etcd.prefix(topology)}probe-of-a-test"), "value": "", "lease": "1"}
    answer = patroni.message("/kv/put", mine)
    assert answer == (httpx.codes.NOT_FOUND, "etcdserver: requested lease not found")
