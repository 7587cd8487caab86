"""Each stream is judged: who talks to whom, how it is encrypted, what is wrong with it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from citadelle.wire import judgement
from citadelle.wire.judgement import Fault, Kind
from citadelle.wire.needles import PROXY_V2
from citadelle.wire.packets import ACK
from citadelle.wire.records import ALERT_SIZE, FINISHED_SIZES, SSL_REQUEST
from tests.unit import pcaps
from tests.unit.pcaps import Talk, alert, client_hello, data, finished, server_hello
from tests.unit.wire_lab import CANARY, CLUSTER, faults, judged, last, talk

HELLO = client_hello(), server_hello()
ETCD = ("dcs", "pg1", "etcd2", "ETCD_CLIENT_PORT")
POSTGRES = ("pool", "pgbouncer1", "haproxy2", "HAPROXY_RW_PORT")
CANCEL = bytes.fromhex("0000001004d2162e") + bytes(8)


def test_what_was_negotiated_is_told(tmp_path: Path) -> None:
    """Version, suite, name asked for, and how much each end said."""
    found = last(judged(tmp_path), "pool")

    assert (found.version, found.suite, found.sni) == ("TLS 1.3", "TLS_AES_128_GCM_SHA256", "pg1")
    assert (found.place.source.name, found.place.target.name) == ("pgbouncer1", "haproxy2")
    assert found.first_up == SSL_REQUEST.hex() + client_hello()[:8].hex()
    assert found.bytes_down == len(b"S" + server_hello() + finished() + data())


@pytest.mark.parametrize(
    ("network", "source", "target", "port"),
    [
        ("dcs", "etcd1", "pg1", "PG_PORT"),
        ("dcs", "etcd1", "etcd2", "ETCD_CLIENT_PORT"),
        ("pg", "haproxy1", "pg1", "PG_PORT"),
        ("pool", "haproxy1", "pgbouncer1", "PGBOUNCER_PORT"),
        ("pool", "machine", "haproxy1", "HAPROXY_RW_PORT"),
        ("front", "haproxy1", "pgbouncer1", "PGBOUNCER_PORT"),
        ("front", "pgbouncer1", "haproxy1", "HAPROXY_ADMIN_PORT"),
    ],
)
def test_direction_that_is_not_in_the_table_is_found(
    tmp_path: Path, network: str, source: str, target: str, port: str
) -> None:
    """Perfect TLS between two machines that have no business together is a fault."""
    assert faults(tmp_path, network, talk(network, source, target, port).tls()) >= {
        Fault.NOT_LISTED
    }


def test_connection_to_the_outside_is_found(tmp_path: Path) -> None:
    """Whoever opens a connection to the outside takes data there."""
    t = Talk(pcaps.address(CLUSTER, "haproxy1", "front"), "192.0.2.1", 443).tls()

    assert faults(tmp_path, "front", t) == {Fault.NOT_LISTED, Fault.LEAVES}


def test_client_from_elsewhere_is_a_client(tmp_path: Path) -> None:
    """Published ports keep the client's address: applications are outside by nature."""
    port = CLUSTER.settings.pgbouncer_port
    t = Talk("192.0.2.1", pcaps.address(CLUSTER, "pgbouncer1", "front"), port).postgres()

    assert faults(tmp_path, "front", t) == frozenset()


def test_clear_text_after_the_handshake_is_found(tmp_path: Path) -> None:
    """On a port of the table, behind correct TLS."""
    t = talk(*ETCD).tls().up(b"GET /v3/kv/range HTTP/1.1\r\n")

    assert faults(tmp_path, "dcs", t) == {Fault.CLEAR}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (CANCEL, "CancelRequest de PostgreSQL en clair"),
        (bytes.fromhex("0000000804d21630"), "GSSENCRequest de PostgreSQL"),
        (bytes.fromhex("0000001000030000") + b"user\0pg\0", "démarrage de PostgreSQL en clair"),
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP en clair"),
    ],
)
def test_clear_opening_is_named(tmp_path: Path, words: bytes, reason: str) -> None:
    """The reader learns what it was, not only that it was no TLS."""
    t = talk(*POSTGRES).open().up(words)
    found = last(judged(tmp_path, {"pool": t.frames}), "pool")

    assert found.kind is Kind.CLEAR
    assert reason in found.problems[0].text


def test_postgres_that_declines_tls_is_found(tmp_path: Path) -> None:
    """The client would go on in clear."""
    t = talk(*POSTGRES).open().up(SSL_REQUEST).down(b"N")
    found = last(judged(tmp_path, {"pool": t.frames}), "pool")

    assert [p.text for p in found.problems] == [
        "serveur : octets qui ne commencent pas un enregistrement TLS à l'octet 0 : "
        "PostgreSQL refuse TLS (N)"
    ]


@pytest.mark.parametrize(
    ("asked", "answered"), [(b"", b"S"), (SSL_REQUEST, b"")], ids=["non-demandé", "sans-réponse"]
)
def test_half_negotiation_is_found(tmp_path: Path, asked: bytes, answered: bytes) -> None:
    """The demand and the answer go together."""
    t = talk(*POSTGRES).open().up(asked + HELLO[0]).down(answered + HELLO[1])

    assert faults(tmp_path, "pool", t) == {Fault.CLEAR}


def test_postgres_negotiation_elsewhere_is_found(tmp_path: Path) -> None:
    """Behind the tunnel's port nobody speaks PostgreSQL before TLS."""
    t = talk("pg", "haproxy1", "pg1", "GATEWAY_PORT").open().up(SSL_REQUEST + HELLO[0])
    found = last(judged(tmp_path, {"pg": t.frames}), "pg")

    assert "SSLRequest" in found.problems[0].text


@pytest.mark.parametrize("version", [0x0303, 0x0302, 0x0301])
def test_older_tls_is_found(tmp_path: Path, version: int) -> None:
    """Every component does TLS 1.3: an older one is a setting that got lost."""
    assert faults(tmp_path, "dcs", talk(*ETCD).tls(version, 0xC02B)) == {Fault.OLD}


def test_older_tls_may_be_excused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and with a reason, for one row of the table."""
    excuse = {("pg", "etcd", "ETCD_CLIENT_PORT"): "essai"}
    monkeypatch.setattr(judgement, "OLDER_TLS", excuse)

    assert faults(tmp_path, "dcs", talk(*ETCD).tls(0x0303, 0xC02B)) == frozenset()


def test_nobody_is_excused() -> None:
    """docs/securite.md promises TLS 1.3 without exception."""
    assert not judgement.OLDER_TLS


def test_suite_without_encryption_is_found(tmp_path: Path) -> None:
    """TLS 1.3 has suites that only sign (RFC 9150)."""
    assert faults(tmp_path, "dcs", talk(*ETCD).tls(suite=0xC0B4)) == {Fault.SUITE}


def test_retried_handshake_is_accepted(tmp_path: Path) -> None:
    """A HelloRetryRequest is ordinary: the client guessed another group."""
    t = talk(*ETCD).open().up(HELLO[0]).down(server_hello(retry=True))
    t.up(HELLO[0]).down(HELLO[1] + data()).up(data())
    found = last(judged(tmp_path, {"dcs": t.frames}), "dcs")

    assert (found.version, found.problems) == ("TLS 1.3", ())


@pytest.mark.parametrize(
    "text", [CANARY, base64.b64encode(b"x:" + CANARY)], ids=["clair", "base64"]
)
def test_canary_is_found_across_segments(tmp_path: Path, text: bytes) -> None:
    """Even inside what looks like TLS records."""
    content = pcaps.record(23, b"avant" + text + b"suite")
    t = talk(*ETCD).tls().up(content[:20]).up(content[20:])
    found = last(judged(tmp_path, {"dcs": t.frames}), "dcs")

    assert [p.text for p in found.problems] == ["client : canari lisible (le canari)"]


def test_proxy_header_is_found_across_segments(tmp_path: Path) -> None:
    """The tunnel hides it: outside, a gateway would believe anybody."""
    t = talk("pg", "haproxy1", "pg1", "GATEWAY_PORT").open()
    t.up(PROXY_V2[:5]).up(PROXY_V2[5:] + HELLO[0])

    assert faults(tmp_path, "pg", t) == {Fault.CLEAR, Fault.PROXY}


def test_hole_is_found(tmp_path: Path) -> None:
    """Bytes that nobody looked at prove nothing."""
    t = talk(*ETCD).tls().up(data()).up(data())
    del t.frames[-4]

    assert faults(tmp_path, "dcs", t) == {Fault.GAP}


def test_canary_behind_a_hole_is_found(tmp_path: Path) -> None:
    """Words can still be searched where records cannot be followed."""
    t = talk(*ETCD).tls().up(data()).up(pcaps.record(23, CANARY))
    del t.frames[-4]

    assert faults(tmp_path, "dcs", t) == {Fault.GAP, Fault.CANARY}


def test_stream_opened_before_is_found(tmp_path: Path) -> None:
    """That all of it is TLS is known; its version is not, and « TLS 1.3 everywhere » is said."""
    t = talk(*ETCD).up(data()).down(data()).up(data())
    found = last(judged(tmp_path, {"dcs": t.frames}), "dcs")

    assert (found.opened_before, found.kind, found.version) == (True, Kind.TLS, "")
    assert found.faults == {Fault.LATE}
    assert not found.talked


def test_silent_stream_opened_before_is_found(tmp_path: Path) -> None:
    """Nothing was said in it meanwhile: what was said before was not seen."""
    assert faults(tmp_path, "dcs", talk(*ETCD).send(True, ACK).send(False, ACK)) == {Fault.LATE}


def test_clear_stream_opened_before_is_found(tmp_path: Path) -> None:
    """Not having seen it begin excuses nothing."""
    assert faults(tmp_path, "dcs", talk(*ETCD).up(b"GET / HTTP/1.1\r\n" * 9)) == {
        Fault.CLEAR,
        Fault.LATE,
    }


# What an end says of itself and to be believed, under keys; and the alert that turns it away.
IDENTITY = data(617) + data(97) + finished()
REJECTION = data(ALERT_SIZE)
GREETING = HELLO[1] + data(23) + IDENTITY
TALKS = {
    "question et réponse": (IDENTITY + data(), data(), True),
    "SHA-384": (data(617) + data(97) + data(FINISHED_SIZES[1]) + data(), data(), True),
    "client renvoyé": (IDENTITY + data(), REJECTION, False),
    "rien demandé": (IDENTITY, data(), False),
    "rien demandé, bien fini": (IDENTITY + REJECTION, data() + REJECTION, False),
    "rien répondu": (IDENTITY + data(), b"", False),
    "fin de poignée pas reconnue": (data(800) + data(), data(), True),
}


@pytest.mark.parametrize(("up", "down", "talked"), TALKS.values(), ids=TALKS)
def test_who_talked(tmp_path: Path, up: bytes, down: bytes, talked: bool) -> None:
    """A handshake is no conversation, nor are an alert and its refusal; neither is a fault."""
    t = talk(*ETCD).open().up(HELLO[0]).down(GREETING).up(up).down(down).close()
    found = last(judged(tmp_path, {"dcs": t.frames}), "dcs")

    assert (found.kind, found.talked, found.problems) == (Kind.TLS, talked, ())


@pytest.mark.parametrize("words", [(b"", alert(40)), (alert(42), b"")], ids=["serveur", "client"])
def test_alert_ends_a_talk(tmp_path: Path, words: tuple[bytes, bytes]) -> None:
    """In clear, before there are keys: whatever was said around it."""
    t = talk(*ETCD).open().up(HELLO[0] + words[0]).down(HELLO[1] + words[1])
    found = last(judged(tmp_path, {"dcs": t.up(data()).down(data()).frames}), "dcs")

    assert (found.alerts != (), found.talked) == (True, False)


def _unfinished() -> Talk:
    return talk(*ETCD).open().up(HELLO[0]).down(alert(70)).close()


@pytest.mark.parametrize(
    ("t", "kind"),
    [
        (talk(*ETCD).open().close(), Kind.SILENT),
        (talk(*POSTGRES).open().up(SSL_REQUEST).close(), Kind.SILENT),
        (talk(*ETCD).refuse(), Kind.REFUSED),
        (talk(*ETCD).send(True, 2), Kind.UNANSWERED),
        (_unfinished(), Kind.UNFINISHED),
    ],
    ids=["muet", "négociation", "refusé", "sans-réponse", "alerte"],
)
def test_connection_without_session_is_listed(tmp_path: Path, t: Talk, kind: Kind) -> None:
    """No session, no fault: a refusal is what some of the scenario is about."""
    network = "pool" if t.port == CLUSTER.settings.haproxy_rw_port else "dcs"
    found = last(judged(tmp_path, {network: t.frames}), network)

    assert (found.kind, found.problems) == (kind, ())


def test_alerts_are_told(tmp_path: Path) -> None:
    """By their names in the RFC."""
    found = last(judged(tmp_path, {"dcs": _unfinished().frames}), "dcs")

    assert found.alerts == ("protocol_version",)


def test_refused_attempt_must_be_in_the_table(tmp_path: Path) -> None:
    """Somebody knocks where he has no business: the scan is a fault even if it fails."""
    assert faults(tmp_path, "dcs", talk("dcs", "etcd1", "pg1", 22).refuse()) == {Fault.NOT_LISTED}


def test_values_are_never_shown(tmp_path: Path) -> None:
    """The report goes to people who may not know the secrets; first bytes may be a part of one."""
    t = talk(*ETCD).open().up(CANARY)
    found = judged(tmp_path, {"dcs": t.frames})

    assert last(found, "dcs").first_up == "masqué : canari"
    assert CANARY.decode() not in str(found.as_json())
