"""A correct cluster's captures are accepted; a proof that lacks something is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle.errors import CitadelleError
from citadelle.flows import FLOWS
from citadelle.topology import NETWORKS
from citadelle.wire.judgement import Fault, Kind
from citadelle.wire.needles import PROXY_V2
from citadelle.wire.records import ALERT_SIZE
from citadelle.wire.verdict import analyse
from tests.unit import pcaps, wire_lab
from tests.unit.pcaps import Talk, alert, client_hello, data, finished, server_hello
from tests.unit.wire_lab import CANARY, CLUSTER, WITNESS_PORT, faults, judged, last, talk


def test_correct_cluster_is_proven(tmp_path: Path) -> None:
    """Every flow of the table, and the witnesses: nothing to say."""
    result = judged(tmp_path)

    assert result.problems == ()
    assert result.as_json()["proven"] is True
    assert {v.kind for v in result.streams} == {Kind.TLS}
    assert {v.place.flow for v in result.streams} == set(FLOWS)


def test_udp_that_leaves_is_found(tmp_path: Path) -> None:
    """The detector of neighbours speaks in the overall verdict."""
    source = pcaps.address(CLUSTER, "haproxy1", "front")
    result = judged(tmp_path, {"front": [pcaps.udp(source, "192.0.2.53", 53)]})

    assert result.problems == (f"front : DNS : sort du réseau ({source} → 192.0.2.53) (1 paquets)",)


@pytest.mark.parametrize("network", NETWORKS)
def test_missing_witness_is_found(tmp_path: Path, network: str) -> None:
    """A detector that did not see what is there cannot say that nothing is."""
    frames = wire_lab.correct()
    length = len(wire_lab.witness(network))
    frames[network] = frames[network][:-length]
    result = judged(tmp_path, frames=frames)

    assert result.problems == (f"{network} : le détecteur n'a pas vu son témoin",)


@pytest.mark.parametrize("words", [PROXY_V2 + b"rien", CANARY, data() + CANARY])
def test_half_a_witness_is_no_witness(tmp_path: Path, words: bytes) -> None:
    """Each of the four detectors must have seen it; a stream that lacks one is judged."""
    frames = wire_lab.correct() | {"pool": []}
    server = pcaps.neighbour(CLUSTER, "pool", 200)
    client = pcaps.address(CLUSTER, "machine", "pool")
    frames["pool"] = Talk(client, server, WITNESS_PORT).open().up(words).frames
    result = judged(tmp_path, frames=frames)

    assert result.witnessed["pool"] == 0
    assert last(result, "pool").problems


def test_attempts_before_the_witness_listens_are_passed(tmp_path: Path) -> None:
    """Nothing was said in them; the witness's own place is known."""
    server = pcaps.neighbour(CLUSTER, "pool", 200)
    knock = Talk(pcaps.address(CLUSTER, "machine", "pool"), server, WITNESS_PORT, 45000).refuse()

    assert judged(tmp_path, {"pool": knock.frames}).problems == ()


def test_attempt_elsewhere_on_the_witness_port_is_found(tmp_path: Path) -> None:
    """The port alone excuses nothing."""
    t = talk("pool", "haproxy1", "pgbouncer1", WITNESS_PORT).refuse()

    assert faults(tmp_path, "pool", t) == {Fault.NOT_LISTED}


def test_network_without_capture_is_found(tmp_path: Path) -> None:
    """Whatever travelled there was not seen, its witness neither."""
    frames = wire_lab.correct()
    del frames["pool"]

    assert "pool : le détecteur n'a pas vu son témoin" in judged(tmp_path, frames=frames).problems


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: f"{flow.source}-{flow.port}")
def test_flow_that_was_not_exercised_is_found(tmp_path: Path, flow: object) -> None:
    """The scenario promises to use every row: one that it forgot is not proven."""
    frames = wire_lab.correct([row for row in FLOWS if row != flow])
    (problem,) = judged(tmp_path, frames=frames).problems

    assert problem.endswith("non exercé")


def test_flow_without_a_conversation_is_found(tmp_path: Path) -> None:
    """Every client turned away by an alert: nothing was ever said over this row."""
    frames = wire_lab.correct(FLOWS[1:])
    t = talk("dcs", "etcd1", "etcd2", "ETCD_PEER_PORT").open().up(client_hello())
    t.down(server_hello() + finished()).up(finished() + data()).down(data(ALERT_SIZE))
    frames["dcs"] += t.close().frames
    result = judged(tmp_path, frames=frames)

    assert result.problems == ("dcs : etcd → etcd (ETCD_PEER_PORT) non exercé",)
    assert (result.rows[0].kinds, result.rows[0].exercised) == ({"TLS": 1}, False)


def test_flow_with_one_conversation_is_exercised(tmp_path: Path) -> None:
    """The clients that the scenario has turned away do not count against it."""
    t = talk("dcs", "etcd1", "etcd2", "ETCD_PEER_PORT").open().up(client_hello()).down(alert(40))

    assert judged(tmp_path, {"dcs": t.frames}).problems == ()


def test_late_stream_is_told(tmp_path: Path) -> None:
    """Its version is unknown: « TLS 1.3 » is not proven."""
    t = talk("dcs", "etcd1", "etcd2", "ETCD_PEER_PORT").up(data()).down(data())
    result = judged(tmp_path, {"dcs": t.frames})

    assert result.problems == (
        "dcs : etcd1 → etcd2:2380 : ouvert avant la capture : poignée de main et version "
        "inconnues (1 flux)",
    )
    assert (result.rows[0].late, result.as_json()["proven"]) == (1, False)


def test_flow_that_was_not_expected_may_be_idle(tmp_path: Path) -> None:
    """A scenario may leave out a row, and says so."""
    result = judged(tmp_path, frames=wire_lab.correct(FLOWS[1:]), expected=FLOWS[1:])

    assert (result.idle, result.problems) == (FLOWS[:1], ())


def test_refusals_do_not_exercise_a_flow(tmp_path: Path) -> None:
    """Only a TLS session does."""
    frames = wire_lab.correct(FLOWS[1:])
    frames["dcs"] += talk("dcs", "etcd1", "etcd2", "ETCD_PEER_PORT").refuse().frames

    assert judged(tmp_path, frames=frames).idle == FLOWS[:1]


def test_equal_problems_are_counted(tmp_path: Path) -> None:
    """A thousand streams with one cause are one line."""
    more = [
        f for port in (1, 2) for f in talk("dcs", "etcd1", "pg1", 22, 60000 + port).refuse().frames
    ]

    assert judged(tmp_path, {"dcs": more}).problems == (
        "dcs : etcd1 → pg1:22 : hors de la table des flux (2 flux)",
    )


@pytest.mark.parametrize("port", ["ETCD_PEER_PORT", "PGBOUNCER_PORT"])
def test_witness_on_a_port_of_the_table_is_refused(tmp_path: Path, port: str) -> None:
    """It would hide what the cluster itself does there."""
    with pytest.raises(CitadelleError, match="prenez-en un autre"):
        analyse(CLUSTER, {}, {}, getattr(CLUSTER.settings, port.lower()))


def test_unknown_network_is_refused(tmp_path: Path) -> None:
    """A misspelt name would leave a network unproven."""
    with pytest.raises(CitadelleError, match="Réseau inconnu : dsc"):
        analyse(CLUSTER, {"dsc": tmp_path / "x"}, {}, WITNESS_PORT)
