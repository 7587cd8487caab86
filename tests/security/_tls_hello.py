"""A ClientHello by hand: no TLS library of today offers what is refused here.

RFC 8446, 4.1.2 (ClientHello) and 4.2.1 (supported_versions); numbers from the IANA registry
"TLS Parameters".
"""

from __future__ import annotations

import secrets
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from citadelle.doors import Door, Place
from tests.probes import tls

TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0301, 0x0302, 0x0303, 0x0304
# What servers took before TLS 1.3, strongest first: any server of that time finds one here.
OLD_SUITES = (0xC02C, 0xC02B, 0xC030, 0xC02F, 0xCCA9, 0xC00A, 0xC009, 0xC014, 0x009C, 0x002F)
X25519, P256 = 29, 23
HANDSHAKE, ALERT = 0x16, 0x15
PROTOCOL_VERSION, HANDSHAKE_FAILURE = 70, 40
FATAL = 2


def hello(suites: tuple[int, ...], version: int, *more: int) -> bytes:
    """Return a ClientHello that offers these suites and versions, the newest version first.

    Before TLS 1.3 a single version is said by the hello's own field, as clients of that time do.
    """
    versions = (version, *more)
    extensions = [
        _extension(10, _vector(2, _numbers(X25519, P256))),
        _extension(11, b"\x01\x00"),  # uncompressed points
        # ECDSA and RSA with SHA-256, PSS and SHA-1 included: a certificate is not what is missing
        _extension(13, _vector(2, _numbers(0x0403, 0x0804, 0x0401, 0x0203, 0x0201))),
    ]
    if more or version == TLS_1_3:
        extensions.append(_extension(43, _vector(1, _numbers(*versions))))
    if version == TLS_1_3:
        key = X25519PrivateKey.generate().public_key().public_bytes_raw()
        extensions.append(_extension(51, _vector(2, _numbers(X25519) + _vector(2, key))))
    body = _numbers(min(version, TLS_1_2)) + secrets.token_bytes(32)
    body += _vector(1, secrets.token_bytes(32)) + _vector(2, _numbers(*suites)) + b"\x01\x00"
    body += _vector(2, b"".join(extensions))
    return bytes((HANDSHAKE, 3, 1)) + _vector(2, b"\x01" + _vector(3, body))


def alert(door: Door, place: Place, offered: bytes) -> int | None:
    """Return the number of the fatal alert that answers a hello, None when the server agrees."""
    kind, body = _answer(door, place, offered)
    if kind == HANDSHAKE:
        return None
    assert (kind, body[0]) == (ALERT, FATAL), f"ni accord ni alerte TLS : {body!r}"
    return body[1]


def chosen(door: Door, place: Place, offered: bytes) -> int:
    """Return the suite that the ServerHello chooses."""
    kind, body = _answer(door, place, offered)
    assert kind == HANDSHAKE, f"pas de ServerHello : {body!r}"
    session = 38 + 1 + body[38]  # type, length, version, random, then the session's identifier
    (suite,) = struct.unpack_from("!H", body, session)
    return int(suite)


def _answer(door: Door, place: Place, offered: bytes) -> tuple[int, bytes]:
    """Return the first record that answers: its type and its content."""
    with tls.reached(door, place) as raw, raw.makefile("rb") as stream:
        raw.sendall(offered)
        kind, _, length = struct.unpack("!BHH", stream.read(5))
        return kind, stream.read(length)


def _numbers(*numbers: int) -> bytes:
    return struct.pack(f"!{len(numbers)}H", *numbers)


def _vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def _extension(number: int, content: bytes) -> bytes:
    return _numbers(number) + _vector(2, content)
