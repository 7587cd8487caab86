"""Every byte of a direction is in a TLS record, or it is found out where it is not."""

from __future__ import annotations

import pytest

from citadelle.wire import hello, records
from citadelle.wire.records import Walker
from tests.unit.pcaps import alert, client_hello, data, record, server_hello

# One segment, cuts inside headers and messages, and byte by byte.
CUTS = (10**6, 7, 1)
HTTP = b"GET / HTTP/1.1\r\nHost: etcd1\r\n\r\n"


def walk(walker: Walker, content: bytes, cut: int = 10**6) -> Walker:
    """Feed a whole direction, in pieces of ``cut`` bytes."""
    for at in range(0, len(content), cut):
        walker.feed(content[at : at + cut])
    walker.finish()
    return walker


def client(content: bytes, cut: int = 10**6, preamble: bytes = b"", late: bool = False) -> Walker:
    """Walk what a client sends."""
    return walk(Walker(hello.CLIENT_HELLO, preamble, late), content, cut)


def server(content: bytes, cut: int = 10**6, preamble: bytes = b"", late: bool = False) -> Walker:
    """Walk what a server sends."""
    return walk(Walker(hello.SERVER_HELLO, preamble, late), content, cut)


@pytest.mark.parametrize("cut", CUTS)
def test_client_hello_is_read(cut: int) -> None:
    """The name asked for, the versions and suites offered."""
    found = client(client_hello("etcd1") + data() + data(), cut)

    assert found.client == hello.ClientHello("etcd1", (0x0304, 0x0303), (0x1301, 0xC02B))
    assert (found.broken, found.records, found.truncated) == ("", 3, False)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("version", [hello.TLS_1_3, 0x0303, 0x0302, 0x0301])
def test_negotiated_version_is_read(version: int, cut: int) -> None:
    """In TLS 1.3 an extension says it, the field of old says 1.2."""
    found = server(server_hello(version, 0xC02B) + data(), cut)

    assert found.server == hello.ServerHello(version, 0xC02B, retry=False)
    assert found.broken == ""


def test_retry_is_not_the_answer() -> None:
    """A HelloRetryRequest looks like a ServerHello: the one that counts comes after it."""
    change = record(records.CHANGE_CIPHER_SPEC, b"\x01")
    found = server(server_hello(retry=True) + change + server_hello(suite=0x1302) + data())

    assert found.retried
    assert found.server is not None
    assert (found.server.suite, found.broken) == (0x1302, "")


def test_second_client_hello_is_passed() -> None:
    """A client whose first offer was sent back offers again: the name is that of the first."""
    found = client(client_hello("a.test") + client_hello("b.test") + data())

    assert found.client is not None
    assert (found.client.sni, found.broken, found.records) == ("a.test", "", 3)


def test_hello_may_take_two_records() -> None:
    """A long one does, with post-quantum key shares."""
    whole = client_hello()[5:]
    found = client(record(22, whole[:20]) + record(22, whole[20:]) + data())

    assert found.client is not None
    assert found.broken == ""


def test_alert_in_clear_is_named() -> None:
    """A server that refuses before there are keys says why, readably."""
    found = server(alert(70))

    assert (found.alerts, found.broken) == (["protocol_version"], "")


def test_encrypted_alert_is_not_read() -> None:
    """In TLS 1.2 it is longer than two bytes, and means nothing to a listener."""
    assert server(server_hello(0x0303) + record(21, bytes(26))).alerts == []


@pytest.mark.parametrize("cut", CUTS)
def test_clear_text_after_the_handshake_is_found(cut: int) -> None:
    """A stream that begins as TLS proves nothing about its end."""
    opening = client_hello() + data()
    found = client(opening + HTTP, cut)

    assert found.broken == "pas un enregistrement TLS"
    assert found.broken_at == len(opening)


@pytest.mark.parametrize(
    "content",
    [
        HTTP,
        client_hello() + record(24, b"battement"),
        client_hello() + record(19, b"rien"),
        client_hello() + record(23, b"x", version=0x0300),
        client_hello() + record(23, b"x", version=0x0304),
        client_hello() + b"\x17\x03\x03\xff\xff",
        data(),
        alert(0) + data(),
        server_hello(),
        record(22, b"\x01\0\0\x03abc"),
        client_hello() + record(20, b"\x02"),
        client_hello() + b"G",
        client_hello() + b"\x17\x03\x09",
    ],
    ids=[
        "http",
        "type-24",
        "type-19",
        "version-3.0",
        "version-3.4",
        "longueur",
        "sans-poignee",
        "alerte-puis-donnees",
        "hello-du-serveur",
        "hello-illisible",
        "changement",
        "un-octet",
        "debut-faux",
    ],
)
def test_what_is_no_tls_is_found(content: bytes) -> None:
    """One byte that is in no record is enough."""
    assert client(content).broken


def test_clear_handshake_after_the_keys_is_found() -> None:
    """In TLS 1.3 nothing but encrypted records follows the ServerHello."""
    found = server(server_hello() + record(22, b"\x0b\0\0\x01x"))

    assert found.broken == "poignée de main en clair après les clés"


def test_longest_record_is_accepted() -> None:
    """2^14 + 256 bytes (RFC 8446, 5.2), and one more is refused."""
    assert client(client_hello() + data(records.LONGEST)).broken == ""
    assert client(client_hello() + data(records.LONGEST + 1)).broken


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("missing", [1, 97, 103])
def test_cut_record_is_counted(missing: int, cut: int) -> None:
    """A reset, or the capture's end, may cut the last record: in its body or its header."""
    found = client(client_hello() + data()[:-missing], cut)

    assert (found.truncated, found.broken) == (True, "")


@pytest.mark.parametrize("cut", CUTS)
def test_postgres_negotiation_is_passed(cut: int) -> None:
    """Eight bytes from the client, one from the server, then TLS."""
    up = client(records.SSL_REQUEST + client_hello() + data(), cut, records.SSL_REQUEST)
    down = server(b"S" + server_hello() + data(), cut, records.SSL_ACCEPTED)

    assert (up.negotiated, up.broken, down.negotiated, down.broken) == (True, "", True, "")


def test_direct_tls_needs_no_negotiation() -> None:
    """sslnegotiation=direct (PostgreSQL 17): TLS from the first byte."""
    found = client(client_hello(), preamble=records.SSL_REQUEST)

    assert (found.negotiated, found.broken) == (False, "")


@pytest.mark.parametrize(
    "content",
    [
        records.SSL_REQUEST * 2,
        records.SSL_REQUEST + bytes.fromhex("0000000f00030000") + b"user\0x\0",
        records.SSL_REQUEST[:5],
        bytes.fromhex("0000000804d21630"),
        bytes.fromhex("0000001004d2162e") + bytes(8),
    ],
    ids=["deux-fois", "demarrage", "coupee", "gssenc", "annulation"],
)
def test_other_negotiation_is_found(content: bytes) -> None:
    """Only the demand for TLS may be in clear, once and whole."""
    assert client(content, preamble=records.SSL_REQUEST).broken


def test_negotiation_elsewhere_is_found() -> None:
    """Behind other ports nobody speaks PostgreSQL."""
    assert client(records.SSL_REQUEST + client_hello()).broken


@pytest.mark.parametrize("answer", [b"N", b"Nsuite", b"SS", b"E\0\0\0\x08erreur"])
def test_other_answer_is_found(answer: bytes) -> None:
    """A server that declines TLS goes on in clear."""
    assert server(answer, preamble=records.SSL_ACCEPTED).broken


def test_late_stream_is_synchronised() -> None:
    """The capture began inside a record: the next ones follow one another to the end."""
    content = data(16000)[9000:] + data(500) * 100
    found = client(content, cut=1400, late=True)

    assert (found.skipped, found.broken, found.records) == (7005, "", 100)


def test_late_stream_may_begin_with_a_record() -> None:
    """As almost always: a record is mostly one segment."""
    found = client(data(), late=True)

    assert (found.skipped, found.broken) == (0, "")


def test_late_clear_text_is_found() -> None:
    """A stream opened before the capture is not taken for TLS without a record."""
    assert client(HTTP * 3000, cut=1400, late=True).broken


def test_short_late_clear_text_is_found() -> None:
    """Even if all of it is shorter than a record."""
    assert client(HTTP, late=True).broken


def test_late_clear_text_that_ends_like_a_record_is_found() -> None:
    """One header at the very end is no chain of records."""
    assert client(HTTP + data(500)[:50], late=True).broken


def test_late_clear_text_behind_records_is_found() -> None:
    """Being synchronised is not the end of it."""
    assert client(data(500) * 100 + HTTP, cut=1400, late=True).broken


def test_late_stream_shows_its_handshake_if_captured() -> None:
    """Only the SYN was missed: the version is known all the same."""
    found = server(server_hello() + data(), late=True)

    assert found.server is not None
    assert found.server.version == hello.TLS_1_3


def test_nothing_is_read_behind_a_hole() -> None:
    """Records cannot be followed there; the stream says that bytes are missing."""
    walker = Walker(hello.CLIENT_HELLO)
    walker.feed(client_hello() + data())
    walker.gap()
    walker.feed(HTTP)
    walker.finish()

    assert (walker.broken, walker.records) == ("", 2)
