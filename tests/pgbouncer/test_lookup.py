"""The lookup of passwords in PostgreSQL: nothing that a client says bends it."""

from __future__ import annotations

import psycopg
import pytest

from citadelle.doors import Place
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.pgbouncer.conftest import Connect
from tests.probes import postgres, tls

DOOR = tls.named("pgbouncer")


def test_search_path_in_options_is_refused(enter: Connect) -> None:
    """A client's search_path never meets the lookup of passwords (CVE-2025-12819)."""
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        enter(options="-c search_path=evil")


@pytest.mark.parametrize(("extra", "reply"), [("", b"R"), ("\0search_path\0evil", b"E")])
def test_search_path_in_the_startup_packet_is_refused(
    topology: Topology, home: Home, pooler: str, extra: str, reply: bytes
) -> None:
    """The same without libpq; the packet without it is asked for a password."""
    point, s = topology.endpoint("pooled", pooler), topology.settings
    packet = postgres.startup(s.app_user, f"{s.app_database}{extra}")
    context = tls.context(home, DOOR.server_plane)
    with tls.inside(context, DOOR, Place(pooler, point.host, point.port)) as session:
        session.sendall(packet)
        assert session.recv(1) == reply


def test_lookup_is_immune_to_search_path(configuration: dict[str, str]) -> None:
    """The function is named in full, and no search_path is carried over to the servers."""
    assert " citadelle.pgbouncer_lookup($1)" in configuration["auth_query"]
    assert "search_path" not in configuration["track_extra_parameters"]
