"""Ways to ask etcd: as its users, by the JSON gateway."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from citadelle import clients
from citadelle.etcd import PATRONI_USER, Etcd
from citadelle.topology import Topology
from citadelle.workspace import Home


class Caller:
    """One user of etcd; answers are looked at whatever their status."""

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd

    def post(self, path: str, body: dict[str, object], **headers: str) -> httpx.Response:
        """Send one request below ``/v3`` to the first member."""
        topology = self.etcd.topology
        token = {"Authorization": self.etcd.token} if self.etcd.token else {}
        return clients.request(
            self.etcd.tls,
            "POST",
            topology.address("etcd1", "dcs"),
            topology.settings.etcd_client_port,
            f"/v3{path}",
            server_name="etcd1",
            body=body,
            headers=token | headers,
        )

    def message(self, path: str, body: dict[str, object]) -> tuple[int, str]:
        """Return the status and etcd's own words."""
        answer = self.post(path, body)
        return answer.status_code, str(answer.json().get("message", ""))


def key(text: str) -> str:
    """Return a key or value as the API spells it."""
    return base64.b64encode(text.encode()).decode()


def _caller(topology: Topology, home: Home, **login: Any) -> Caller:  # noqa: ANN401  # passed on
    etcd = Etcd(topology, home)
    if login:
        etcd.login(**login)
    return Caller(etcd)


@pytest.fixture(scope="session")
def nobody(topology: Topology, home: Home) -> Caller:
    """A good certificate, no user."""
    return _caller(topology, home)


@pytest.fixture(scope="session")
def root(topology: Topology, home: Home) -> Caller:
    """The administrator."""
    password = topology.settings.etcd_root_password.reveal()
    return _caller(topology, home, user="root", password=password)


@pytest.fixture(scope="session")
def patroni(topology: Topology, home: Home) -> Caller:
    """What Patroni is."""
    password = topology.settings.etcd_patroni_password.reveal()
    return _caller(topology, home, user=PATRONI_USER, password=password)
