"""The walker reads what OpenSSL really says, not only what these tests make up."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

import pytest

from citadelle.wire import hello
from citadelle.wire.records import Walker
from citadelle.workspace import Home

# As Ethernet cuts it.
SEGMENT = 1448


def walk(first: int, content: bytes, late: bool) -> Walker:
    """Feed a whole direction, segment by segment."""
    walker = Walker(first, late=late)
    for at in range(0, len(content), SEGMENT):
        walker.feed(content[at : at + SEGMENT])
    walker.finish()
    return walker


def _exchange(home: Home, version: ssl.TLSVersion) -> Iterator[bytes]:
    """Yield what a client and a server of Python's own TLS say, each as one text."""
    authority = ssl.create_default_context(cafile=str(home.pki / "server" / "ca.crt"))
    contexts = authority, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stem = home.pki / "server" / "pg1"
    contexts[1].load_cert_chain(stem.with_suffix(".crt"), stem.with_suffix(".key"))
    for context in contexts:
        context.minimum_version = context.maximum_version = version
    pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
    said = [b"", b""]
    ends = (
        contexts[0].wrap_bio(pipes[1], pipes[0], server_hostname="pg1"),
        contexts[1].wrap_bio(pipes[0], pipes[1], server_side=True),
    )
    _shake(ends, pipes, said)
    for index, end in enumerate(ends):
        end.write(b"SELECT 1" * 9000)
        said[index] += pipes[index].read()
    yield from said


def _shake(
    ends: tuple[ssl.SSLObject, ssl.SSLObject],
    pipes: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
    said: list[bytes],
) -> None:
    """Let two ends shake hands, and note what passes."""
    done = {0: False, 1: False}
    while not all(done.values()):
        for index, end in enumerate(ends):
            try:
                end.do_handshake()
                done[index] = True
            except ssl.SSLWantReadError:
                done[index] = False
            words = pipes[index].read()
            said[index] += words
            pipes[index].write(words)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("version", "name"),
    [(ssl.TLSVersion.TLSv1_3, "TLS 1.3"), (ssl.TLSVersion.TLSv1_2, "TLS 1.2")],
)
def test_real_tls_is_read(ready_home: Home, version: ssl.TLSVersion, name: str, late: bool) -> None:
    """OpenSSL's own bytes, with this project's certificates, not only ours."""
    up, down = _exchange(ready_home, version)
    asked, answered = walk(hello.CLIENT_HELLO, up, late), walk(hello.SERVER_HELLO, down, late)

    assert (asked.broken, answered.broken) == ("", "")
    assert asked.client is not None
    assert asked.client.sni == "pg1"
    assert answered.server is not None
    assert hello.version_name(answered.server.version) == name
    assert min(asked.records, answered.records) > 5


def _asked(home: Home, plane: str, name: str) -> tuple[Walker, Walker]:
    """Return both directions of a request to a server that demands a certificate of `rest`.

    As with a real server, the client's words leave before it knows what its certificate is worth.
    """
    asking = ssl.create_default_context(cafile=str(home.pki / "rest" / "ca.crt"))
    asking.load_cert_chain(home.pki / plane / f"{name}.crt", home.pki / plane / f"{name}.key")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_verify_locations(home.pki / "rest" / "ca.crt")
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_cert_chain(home.pki / "rest" / "pg1.crt", home.pki / "rest" / "pg1.key")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(down, up, server_hostname="pg1")
    server = serving.wrap_bio(up, down, server_side=True)
    said = [b"", b""]
    for index, (end, out) in enumerate(((client, up), (server, down))):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
        said[index] += (words := out.read())
        out.write(words)
    client.do_handshake()
    client.write(b"GET /primary HTTP/1.1\r\n\r\n")
    said[0] += (words := up.read())
    up.write(words)
    with contextlib.suppress(ssl.SSLError):
        server.do_handshake()
        server.write(b"HTTP/1.1 200 OK\r\n\r\n")
    said[1] += down.read()
    return walk(hello.CLIENT_HELLO, said[0], False), walk(hello.SERVER_HELLO, said[1], False)


@pytest.mark.parametrize(
    ("plane", "name", "answers"),
    [("rest", "operator", True), ("dcs-client", "operator", False)],
    ids=["accepté", "renvoyé"],
)
def test_real_refusal_is_no_answer(ready_home: Home, plane: str, name: str, answers: bool) -> None:
    """OpenSSL's own handshake, however many messages it takes, is not taken for words."""
    asked, answered = _asked(ready_home, plane, name)

    assert (asked.broken, answered.broken) == ("", "")
    assert asked.words == 1
    assert (answered.words > 0) == answers
