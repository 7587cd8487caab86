"""etcd, seen by the operator: health, and authentication turned on before Patroni starts.

Everything goes through the JSON gateway with the operator's certificate (empty CN); a password
is only ever in the body of a request inside TLS.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from citadelle import clients
from citadelle.errors import CitadelleError
from citadelle.progress import wait_until
from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home

PATRONI_USER = "patroni"
PATRONI_ROLE = "patroni"
# etcd's authpb.Permission.Type: READ 0, WRITE 1, READWRITE 2.
READWRITE = 2
# Three members that start together elect a leader within seconds, even on two slow cores.
QUORUM_SECONDS = 60


@dataclass(frozen=True)
class Member:
    """One etcd member as seen from outside; a ``learner`` has no vote, and is in no majority."""

    name: str
    healthy: bool
    leader: bool
    learner: bool = False


class Etcd:
    """The cluster's etcd, by the JSON gateway of the first of ``nodes`` that answers."""

    def __init__(self, topology: Topology, home: Home, nodes: Sequence[str] = ETCD) -> None:
        self.topology = topology
        self.nodes = nodes
        self.tls = clients.context(home, "dcs-client")
        self.token = ""

    def member(self, node: str) -> Member:
        """Return the health and the role of one member."""
        try:
            healthy = self._get(node, "/health").json().get("health") == "true"
            metrics = self._get(node, "/metrics").text
        except (httpx.HTTPError, ValueError):
            return Member(node, healthy=False, leader=False)
        leader, learner = (
            f"\netcd_server_is_{role} 1\n" in metrics for role in ("leader", "learner")
        )
        return Member(node, healthy, healthy and leader, learner)

    def counter(self, node: str, name: str) -> int | None:
        """Return one of a member's own counters, by its Prometheus name; None when it is silent."""
        try:
            lines = self._get(node, "/metrics").text.splitlines()
        except httpx.HTTPError:
            return None
        return next(
            (int(float(line.split()[1])) for line in lines if line.startswith(f"{name} ")), None
        )

    def members(self) -> list[Member]:
        """Return every member of the topology."""
        return [self.member(node) for node in ETCD]

    def call(self, path: str, body: dict[str, object], nodes: Sequence[str] = ()) -> dict[str, Any]:
        """Send one request below ``/v3`` to the first of these members (or of its own) to answer.

        Raises:
            CitadelleError: with etcd's own words, or when no member answers.
        """
        headers = {"Authorization": self.token} if self.token else {}
        response = None
        for node in nodes or self.nodes:
            try:
                response = self._request(node, "POST", f"/v3{path}", body=body, headers=headers)
                break
            except httpx.HTTPError:
                continue
        if response is None:
            raise CitadelleError(
                f"Aucun membre etcd ne répond : voir « invoke logs --node {self.nodes[0]} »."
            )
        answer: dict[str, Any] = response.json()
        if response.status_code != httpx.codes.OK:
            raise EtcdError(str(answer.get("message", answer)))
        return answer

    def login(self, user: str, password: str) -> None:
        """Use this user for the calls that follow."""
        self.token = ""
        self.token = self.call("/auth/authenticate", {"name": user, "password": password})["token"]

    def move_leader(self, leader: str, target: str) -> None:
        """Hand the leadership over, as root; only the leader itself can (etcd 3.5, MoveLeader)."""
        found = self.call("/cluster/member/list", {})["members"]
        number = next(member["ID"] for member in found if member["name"] == target)
        self.call("/maintenance/transfer-leadership", {"targetID": number}, (leader,))

    def _get(self, node: str, path: str) -> httpx.Response:
        return self._request(node, "GET", path)

    def _request(self, node: str, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # passed on
        address = self.topology.address(node, "dcs")
        port = self.topology.settings.etcd_client_port
        return clients.request(self.tls, method, address, port, path, server_name=node, **options)


class EtcdError(CitadelleError):
    """etcd refused a request; the message is its own."""


def wait_quorum(topology: Topology, home: Home) -> None:
    """Wait until every member is healthy and one leads."""
    client = Etcd(topology, home)

    def missing() -> str | None:
        members = client.members()
        if all(m.healthy for m in members) and sum(m.leader for m in members) == 1:
            return None
        return ", ".join(f"{m.name} muet" for m in members if not m.healthy) or "pas de chef"

    advice = "Voir « invoke logs --node etcd1 »."
    wait_until(missing, "Quorum d'etcd", QUORUM_SECONDS, advice)


def initialized(topology: Topology, home: Home) -> bool:
    """Tell whether a PostgreSQL cluster was ever made: Patroni writes this key once."""
    client = Etcd(topology, home)
    client.login("root", topology.settings.etcd_root_password.reveal())
    return bool(client.call("/kv/range", key_of(f"{prefix(topology)}initialize")).get("kvs"))


def prefix(topology: Topology) -> str:
    """Return the keys that Patroni may touch; the trailing slash keeps ``<scope>2`` out."""
    return f"/service/{topology.settings.cluster_name}/"


def key_of(text: str) -> dict[str, object]:
    """Return one key, as the API spells it."""
    return {"key": _b64(text.encode())}


def range_of(text: str) -> dict[str, object]:
    """Return the key and range end of a prefix, as the API spells them."""
    key = text.encode()
    end = key[:-1] + bytes([key[-1] + 1])
    return {"key": _b64(key), "range_end": _b64(end)}


def ensure_auth(topology: Topology, home: Home) -> bool:
    """Create users and role, turn authentication on; return whether anything was written.

    Checks first: any write to the auth store, even an identical one, would invalidate the
    tokens of a running cluster.

    Raises:
        CitadelleError: when etcd's root password is not the one of .env.
    """
    etcd = Etcd(topology, home)
    settings = topology.settings
    root, patroni = settings.etcd_root_password.reveal(), settings.etcd_patroni_password.reveal()
    enabled = _auth_enabled(etcd)
    if enabled:
        _login_root(etcd, root)
    changed = _ensure_users(etcd, {"root": root, PATRONI_USER: patroni}, check=enabled)
    changed |= _ensure_role(etcd, topology)
    changed |= _grant(etcd, "root", "root") | _grant(etcd, PATRONI_USER, PATRONI_ROLE)
    if not enabled:
        etcd.call("/auth/enable", {})
    return changed or not enabled


def _auth_enabled(etcd: Etcd) -> bool:
    """Tell whether authentication is on: then even this question needs a user."""
    try:
        return bool(etcd.call("/auth/status", {}).get("enabled"))
    except EtcdError as error:
        if "user name is empty" in str(error):
            return True
        raise


def _login_root(etcd: Etcd, password: str) -> None:
    try:
        etcd.login("root", password)
    except EtcdError:
        raise CitadelleError(
            "etcd refuse ETCD_ROOT_PASSWORD : remettez l'ancien dans .env, lancez « invoke up », "
            "puis suivez docs/exploitation.md, « Changer un mot de passe »."
        ) from None


def _ensure_users(etcd: Etcd, users: dict[str, str], *, check: bool) -> bool:
    known = etcd.call("/auth/user/list", {}).get("users", [])
    changed = False
    for user, password in users.items():
        if user not in known:
            _add(etcd, "/auth/user/add", {"name": user, "password": password})
        elif (user != "root" or not check) and not _accepts(etcd, user, password, check=check):
            etcd.call("/auth/user/changepw", {"name": user, "password": password})
        else:
            continue
        changed = True
    return changed


def _add(etcd: Etcd, path: str, body: dict[str, object]) -> None:
    """Add a user or a role that was not there.

    When an answer is late, the next member is asked the same; the first had added it (seen on a
    machine under load).
    """
    try:
        etcd.call(path, body)
    except EtcdError as error:
        if "already exists" not in str(error):
            raise


def _accepts(etcd: Etcd, user: str, password: str, *, check: bool) -> bool:
    """Tell whether the password opens; before auth is on there is no way to ask."""
    if not check:
        return False
    try:
        etcd.call("/auth/authenticate", {"name": user, "password": password})
    except EtcdError:
        return False
    return True


def _ensure_role(etcd: Etcd, topology: Topology) -> bool:
    wanted = range_of(prefix(topology)) | {"permType": "READWRITE"}
    if PATRONI_ROLE not in etcd.call("/auth/role/list", {}).get("roles", []):
        _add(etcd, "/auth/role/add", {"name": PATRONI_ROLE})
    granted = etcd.call("/auth/role/get", {"role": PATRONI_ROLE}).get("perm", [])
    if granted == [wanted]:
        return False
    _revoke(etcd, (p for p in granted if p != wanted))
    permission = range_of(prefix(topology)) | {"permType": READWRITE}
    etcd.call("/auth/role/grant", {"name": PATRONI_ROLE, "perm": permission})
    return True


def _revoke(etcd: Etcd, permissions: Iterable[dict[str, Any]]) -> None:
    for permission in permissions:
        key = {"key": permission["key"], "range_end": permission.get("range_end", "")}
        etcd.call("/auth/role/revoke", {"role": PATRONI_ROLE, **key})


def _grant(etcd: Etcd, user: str, role: str) -> bool:
    roles = etcd.call("/auth/role/list", {}).get("roles", [])
    if role not in roles:
        _add(etcd, "/auth/role/add", {"name": role})
    if role in etcd.call("/auth/user/get", {"name": user}).get("roles", []):
        return False
    etcd.call("/auth/user/grant", {"user": user, "role": role})
    return True


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
