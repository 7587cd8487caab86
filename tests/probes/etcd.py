"""Ways to ask etcd: as its users, by the JSON gateway."""

from __future__ import annotations

import base64

import httpx

from citadelle.etcd import PATRONI_USER, Etcd
from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home
from tests.probes import https

# Etcd's own words for what a user may not do, and their status.
DENIED = (httpx.codes.FORBIDDEN, "etcdserver: permission denied")


class Caller:
    """One user of etcd; answers are looked at whatever their status."""

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd

    def post(self, path: str, body: dict[str, object], **headers: str) -> httpx.Response:
        """Send one request below ``/v3`` to the first member."""
        topology = self.etcd.topology
        token = {"Authorization": self.etcd.token} if self.etcd.token else {}
        return https.request(
            self.etcd.tls,
            "POST",
            topology.address(ETCD[0], "dcs"),
            topology.settings.etcd_client_port,
            f"/v3{path}",
            server_name=ETCD[0],
            body=body,
            headers=token | headers,
        )

    def message(self, path: str, body: dict[str, object]) -> tuple[int, str]:
        """Return the status and etcd's own words."""
        answer = self.post(path, body)
        return answer.status_code, str(answer.json().get("message", ""))


def nobody(topology: Topology, home: Home) -> Caller:
    """Return who has a good certificate, and no user."""
    return Caller(Etcd(topology, home))


def root(topology: Topology, home: Home) -> Caller:
    """Return the administrator."""
    return _user(topology, home, "root", topology.settings.etcd_root_password.reveal())


def patroni(topology: Topology, home: Home) -> Caller:
    """Return what Patroni is."""
    return _user(topology, home, PATRONI_USER, topology.settings.etcd_patroni_password.reveal())


def _user(topology: Topology, home: Home, user: str, password: str) -> Caller:
    found = nobody(topology, home)
    found.etcd.login(user, password)
    return found


def key(text: str) -> str:
    """Return a key or value as the API spells it."""
    return base64.b64encode(text.encode()).decode()
