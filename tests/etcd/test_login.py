"""Authentication: a good certificate alone opens nothing."""

from __future__ import annotations

import httpx
import pytest

from citadelle import etcd
from citadelle.topology import ETCD, Topology
from tests.probes import https
from tests.probes.etcd import Caller

# etcd's own words, for both ways to ask without a user (it looks for the Accept header to tell
# its gateway's calls from others).
WITHOUT_TOKEN = {
    "application/json": (httpx.codes.BAD_REQUEST, "user name is empty"),
    None: (httpx.codes.FORBIDDEN, "permission denied"),
}


def test_authentication_is_on(root: Caller) -> None:
    """Etcd says so itself."""
    assert root.post("/auth/status", {}).json()["enabled"] is True


@pytest.mark.parametrize("accept", WITHOUT_TOKEN)
@pytest.mark.parametrize("node", ETCD)
def test_no_token_is_refused(
    nobody: Caller, topology: Topology, accept: str | None, node: str
) -> None:
    """Without Accept the gateway speaks with the server's own certificate (CVE-2018-16886)."""
    address, port = topology.address(node, "dcs"), topology.settings.etcd_client_port
    tls = nobody.etcd.tls
    with httpx.Client(verify=tls, timeout=https.SECONDS, trust_env=False) as client:
        request = client.build_request(
            "POST",
            f"https://{address}:{port}/v3/kv/range",
            json=etcd.range_of(etcd.prefix(topology)),
            extensions={"sni_hostname": node},
        )
        del request.headers["accept"]
        if accept:
            request.headers["accept"] = accept
        answer = client.send(request)
    status, words = WITHOUT_TOKEN[accept]
    assert (answer.status_code, answer.json()["message"]) == (status, f"etcdserver: {words}")


@pytest.mark.parametrize("user", ["root", "patroni", "nobody"])
def test_wrong_password_is_refused(nobody: Caller, user: str) -> None:
    """... in the same words for a user that does not exist: no guessing of names."""
    body: dict[str, object] = {"name": user, "password": "wrong-password-of-a-test"}
    status, message = nobody.message("/auth/authenticate", body)
    refusal = "etcdserver: authentication failed, invalid user ID or password"
    assert (status, message) == (httpx.codes.BAD_REQUEST, refusal)


def test_invented_token_is_refused(nobody: Caller, topology: Topology) -> None:
    """A token is looked up, not believed."""
    headers = {"Authorization": "aaaaaaaaaaaaaaaa.1"}
    answer = nobody.post("/kv/range", etcd.range_of(etcd.prefix(topology)), **headers)
    assert answer.json()["message"] == "etcdserver: invalid auth token"


def test_profiler_is_off(nobody: Caller, topology: Topology) -> None:
    """It would give the process's memory, passwords included, to any certificate."""
    path = "/debug/pprof/heap"
    answer = nobody.etcd._request("etcd1", "GET", path, seconds=https.SECONDS)
    assert answer.status_code == httpx.codes.NOT_FOUND
