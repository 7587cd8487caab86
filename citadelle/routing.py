"""Where each load balancer sends new connections, read from its administration page.

The page is one HTTPS request, milliseconds; ``docker exec`` on the stats socket takes up to a
second on a busy machine, while clients wait.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

import httpx

from citadelle import clients
from citadelle.topology import HAPROXY, Topology
from citadelle.workspace import Home

# Backends of config/haproxy/haproxy.cfg.j2, by kind of entrance: they follow the checks.
READ_WRITE = "rw"
READ_ONLY = "ro"
# How often it is looked at while clients wait, in seconds.
POLL_SECONDS = 0.1

# By load balancer, then by backend: the servers that get new connections.
Routes = dict[str, Mapping[str, frozenset[str]]]
# Says what is wrong with them about a node, in French; None when nothing is.
Judge = Callable[[Routes, str], str | None]


class Routing:
    """Both load balancers, as their administrator sees them."""

    def __init__(self, topology: Topology, home: Home) -> None:
        self.topology = topology
        self.tls = clients.context(home, "admin", None)
        s = topology.settings
        self.auth = (s.haproxy_admin_user, s.haproxy_admin_password.reveal())

    def routes(self) -> Routes:
        """Return what each load balancer does now; one that does not answer is left out."""
        found: Routes = {}
        for balancer in HAPROXY:
            try:
                found[balancer] = serving(self._page(balancer))
            except (httpx.HTTPError, KeyError):
                continue
        return found

    def _page(self, balancer: str) -> str:
        point = self.topology.endpoint("admin", balancer)
        answer = clients.request(
            self.tls, "GET", point.host, point.port, "/;csv", server_name=balancer, auth=self.auth
        )
        return answer.raise_for_status().text


def writes_elsewhere(routes: Routes, node: str) -> str | None:
    """Return which load balancer does not send writes to this node alone, in French, if any."""
    for balancer in HAPROXY:
        if balancer not in routes:
            return f"{balancer} ne répond pas"
        if (servers := routes[balancer][READ_WRITE]) != {node}:
            return f"{balancer} envoie les écritures vers {_list(servers)}"
    return None


def reads_from(routes: Routes, node: str) -> str | None:
    """Return which load balancer sends reads to this node, or is silent, in French, if any."""
    for balancer in HAPROXY:
        if balancer not in routes:
            return f"{balancer} ne répond pas"
        if node in routes[balancer][READ_ONLY]:
            return f"{balancer} envoie encore des lectures vers {node}"
    return None


def only_reader(routes: Routes, node: str) -> str | None:
    """Return which load balancer has no other replica than this one, in French, if any."""
    for balancer in HAPROXY:
        if balancer not in routes:
            return f"{balancer} ne répond pas"
        if not routes[balancer][READ_ONLY] - {node}:
            return f"{balancer} n'a pas d'autre réplica assez à jour que {node}"
    return None


def unsettled(routes: Routes, leader: str) -> str | None:
    """Return what is not as it must be while this node is the primary, in French, if any.

    A HAProxy that has just started counts every server in until its first check.
    """
    return writes_elsewhere(routes, leader) or reads_from(routes, leader)


def serving(page: str) -> Mapping[str, frozenset[str]]:
    """Return, by backend, the servers that HAProxy's statistics (CSV) call ``UP``.

    Also those on their way down (``UP 1/2``): they still get connections.
    """
    rows = list(csv.DictReader(io.StringIO(page.removeprefix("# "))))
    return {
        backend: frozenset(
            row["svname"]
            for row in rows
            if row["pxname"] == backend
            and row["svname"] not in ("FRONTEND", "BACKEND")
            and row["status"].startswith("UP")
        )
        for backend in (READ_WRITE, READ_ONLY)
    }


def _list(nodes: frozenset[str]) -> str:
    return ", ".join(sorted(nodes)) or "personne"
