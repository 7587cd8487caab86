"""Patroni, seen by the operator: who is the primary, and the shared configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from citadelle import clients, render
from citadelle.errors import CitadelleError
from citadelle.topology import PG, Topology
from citadelle.workspace import Home


@dataclass(frozen=True)
class Member:
    """One PostgreSQL node as Patroni sees it; ``lag_bytes`` is None when unknown."""

    name: str
    role: str
    state: str
    timeline: int | None
    lag_bytes: int | None


class Patroni:
    """The REST API of every pod, through its guard."""

    def __init__(self, topology: Topology, home: Home) -> None:
        self.topology = topology
        self.tls = clients.context(home, "rest")
        settings = topology.settings
        self.auth = (settings.patroni_rest_user, settings.patroni_rest_password.reveal())

    def request(self, node: str, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401  # passed on
        """Send one request to one node; raise httpx.HTTPError when it does not answer."""
        address = self.topology.address(node, "pg")
        port = self.topology.settings.patroni_rest_port
        return clients.request(self.tls, method, address, port, path, server_name=node, **options)

    def members(self) -> list[Member]:
        """Return the cluster as the first node that answers sees it; empty when none does."""
        return self.view()[0]

    def view(self) -> tuple[list[Member], bool]:
        """Return the members, and whether maintenance mode is on: nobody is promoted then."""
        for node in PG:
            try:
                found = self.request(node, "GET", "/cluster").json()
                return [_member(row) for row in found["members"]], bool(found.get("pause"))
            except (httpx.HTTPError, KeyError, ValueError):
                continue
        return [], False

    def leader(self) -> str | None:
        """Return the node that says itself that it holds the lock and runs, if any.

        The member list could name one that is restarting, because its lease outlives it; and
        ``/primary`` answers 200 as soon as the lock is held, before PostgreSQL has started.
        """
        return next((node for node in PG if self._is_primary(node)), None)

    def _is_primary(self, node: str) -> bool:
        try:
            response = self.request(node, "GET", "/primary")
            running = response.json().get("state") == "running"
        except (httpx.HTTPError, ValueError):
            return False
        return response.status_code == httpx.codes.OK and running

    def ensure_dynamic_configuration(self) -> bool:
        """Bring the shared configuration to what .env says; return whether it was changed."""
        wanted = yaml.safe_load(render.dynamic_configuration(self.topology))
        leader = self.leader()
        if leader is None:
            raise CitadelleError(
                "Aucun primaire : voir « invoke status » et « invoke logs --node pg1 »."
            )
        try:
            current = self.request(leader, "GET", "/config").json()
            if _merged(current, wanted) == current:
                return False
            response = self.request(leader, "PATCH", "/config", body=wanted, auth=self.auth)
        except (httpx.HTTPError, ValueError) as error:
            raise CitadelleError(
                f"Patroni ({leader}) ne répond pas ({error}) : relancez « invoke up »."
            ) from None
        if response.status_code != httpx.codes.OK:
            raise CitadelleError(
                f"Patroni ({leader}) refuse la configuration : {response.status_code} "
                f"{response.text.strip()}"
            )
        return True


def _member(row: dict[str, Any]) -> Member:
    lag = row.get("lag")
    return Member(
        name=row["name"],
        role=row["role"],
        state=row["state"],
        timeline=row.get("timeline"),
        lag_bytes=0 if row["role"] == "leader" else lag if isinstance(lag, int) else None,
    )


def _merged(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``patch`` laid over it, dictionary by dictionary."""
    result = dict(base)
    for key, value in patch.items():
        inner = result.get(key)
        both = isinstance(inner, dict) and isinstance(value, dict)
        result[key] = _merged(inner, value) if both else value  # type: ignore[arg-type]  # both
    return result
