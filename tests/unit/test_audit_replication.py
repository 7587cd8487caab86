"""Replication under the audit's eyes: a replica that proves or asks less is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle.audit import replication
from citadelle.audit.control import Cluster
from citadelle.topology import PG
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
USER = TOPOLOGY.settings.replicator_user
LEADER, *REPLICAS = PG
# As pg_stat_wal_receiver writes it, one word per setting.
RECEIVER = (
    f"user={USER} passfile=/run/patroni/pgpass channel_binding=prefer host=pg1 port=5432 "
    "sslmode=verify-full sslcert=/etc/citadelle/tls/replicator.crt "
    "sslkey=/etc/citadelle/tls/replicator.key sslrootcert=/etc/citadelle/tls/ca-server.crt "
    "gssencmode=disable target_session_attrs=any"
)
PROVEN = f"t|TLSv1.3|/CN={USER}"
SENDERS = tuple(f"{node}|{PROVEN}" for node in REPLICAS)


def failing(
    monkeypatch: pytest.MonkeyPatch, changes: dict[tuple[str, str], tuple[str, ...]]
) -> set[str]:
    """Return the controls that fail when one query has another answer on one node."""
    answers = {
        (LEADER, replication.SYNCHRONOUS): (REPLICAS[0],),
        (LEADER, replication.SENDERS): SENDERS,
        **{(node, replication.RECEIVER): (RECEIVER,) for node in REPLICAS},
    } | changes
    monkeypatch.setattr(replication, "leader", lambda _: LEADER)
    monkeypatch.setattr(replication, "sql", lambda _, node, query: answers[node, query])
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    return {c.identifier for c in replication.CONTROLS if not c.check(cluster).ok}


def test_our_replication_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failures below are those of one answer."""
    assert failing(monkeypatch, {}) == set()


@pytest.mark.parametrize("rows", [(), ("",)])
def test_no_synchronous_replica_is_seen(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[str, ...]
) -> None:
    """A commit would be on one node alone."""
    assert failing(monkeypatch, {(LEADER, replication.SYNCHRONOUS): rows}) == {"RE-01"}


@pytest.mark.parametrize("node", REPLICAS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"user={USER}", "user=postgres"),
        # Doctored readings, which the control must refuse: TLS with whoever answers.
        ("sslmode=verify-full", "sslmode=require"),
        ("sslmode=verify-full ", ""),
        ("sslcert=/etc/citadelle/tls/replicator.crt", "sslcert=/tmp/autre.crt"),
        ("sslrootcert=/etc/citadelle/tls/ca-server.crt", "sslrootcert=system"),
        ("gssencmode=disable", "gssencmode=prefer"),
        (RECEIVER, ""),
    ],
)
def test_replica_that_asks_less_is_seen(
    monkeypatch: pytest.MonkeyPatch, node: str, old: str, new: str
) -> None:
    """It would copy from whoever answers; one that receives nothing has proven nothing."""
    assert old in RECEIVER
    words = RECEIVER.replace(old, new)

    assert failing(monkeypatch, {(node, replication.RECEIVER): (words,)}) == {"RE-02"}


@pytest.mark.parametrize(
    "rows",
    [
        (SENDERS[0], f"{REPLICAS[1]}|f||"),
        (SENDERS[0], f"{REPLICAS[1]}|t|TLSv1.2|/CN={USER}"),
        (SENDERS[0], f"{REPLICAS[1]}|t|TLSv1.3|"),
        (SENDERS[0], f"{REPLICAS[1]}|t|TLSv1.3|/CN=rewind"),
        (),
    ],
)
def test_replica_that_proves_less_is_seen(
    monkeypatch: pytest.MonkeyPatch, rows: tuple[str, ...]
) -> None:
    """In clear, in an older TLS, without the role's certificate; or nobody at all."""
    assert failing(monkeypatch, {(LEADER, replication.SENDERS): rows}) == {"RE-03"}
