"""What two TLS ends agree on, read from their hello messages, which are never encrypted.

Numbers: RFC 8446 (sections 4.1, 4.2, 6, B.4), RFC 6066 (server_name), and IANA's TLS registries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

CLIENT_HELLO, SERVER_HELLO = 1, 2
SERVER_NAME, SUPPORTED_VERSIONS = 0, 43
TLS_1_3 = 0x0304
# The random that makes a ServerHello a HelloRetryRequest: SHA-256 of that name (RFC 8446, 4.1.3).
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

VERSIONS = {
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    TLS_1_3: "TLS 1.3",
}
# The suites of TLS 1.3 that encrypt (RFC 8446, B.4): RFC 9150 has others, which do not.
SUITES_1_3 = {
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
}
SUITES = {
    **SUITES_1_3,
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xC0B4: "TLS_SHA256_SHA256",
    0xC0B5: "TLS_SHA384_SHA384",
}
ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}


@dataclass(frozen=True)
class ClientHello:
    """What the client offers; ``sni`` is empty when it names no server."""

    sni: str
    versions: tuple[int, ...]
    suites: tuple[int, ...]


@dataclass(frozen=True)
class ServerHello:
    """What the server chose; ``retry`` when it asks for another ClientHello first."""

    version: int
    suite: int
    retry: bool


def version_name(number: int) -> str:
    """Return ``TLS 1.3`` and the like, hexadecimal when unknown."""
    return VERSIONS.get(number, f"0x{number:04x}")


def suite_name(number: int) -> str:
    """Return IANA's name of a cipher suite, hexadecimal when it is not a common one."""
    return SUITES.get(number, f"0x{number:04x}")


def alert_name(number: int) -> str:
    """Return the RFC's name of an alert, its number when unknown."""
    return ALERTS.get(number, f"alerte {number}")


class _Bytes:
    """A hello message, taken from its beginning on."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes; ValueError when there are fewer."""
        self.at += size
        if self.at > len(self.data):
            raise ValueError("message TLS trop court")
        return self.data[self.at - size : self.at]

    def vector(self, prefix: int) -> bytes:
        """Return the bytes whose length stands in the next ``prefix`` bytes."""
        return self.take(int.from_bytes(self.take(prefix)))

    def extensions(self) -> Iterator[tuple[int, bytes]]:
        """Yield the extensions, which may be absent as a whole."""
        if self.at == len(self.data):
            return
        block = _Bytes(self.vector(2))
        while block.at < len(block.data):
            yield int.from_bytes(block.take(2)), block.vector(2)


def client_hello(body: bytes) -> ClientHello:
    """Read a ClientHello's body; ValueError when it is not one."""
    message = _Bytes(body)
    legacy = int.from_bytes(message.take(2))
    message.take(32)
    message.vector(1)
    suites = _numbers(message.vector(2))
    message.vector(1)
    sni = ""
    versions: tuple[int, ...] = (legacy,)
    for kind, value in message.extensions():
        if kind == SERVER_NAME:
            sni = _server_name(value)
        elif kind == SUPPORTED_VERSIONS:
            versions = _numbers(_Bytes(value).vector(1))
    return ClientHello(sni, versions, suites)


def server_hello(body: bytes) -> ServerHello:
    """Read a ServerHello's body; ValueError when it is not one."""
    message = _Bytes(body)
    version = int.from_bytes(message.take(2))
    retry = message.take(32) == RETRY
    message.vector(1)
    suite = int.from_bytes(message.take(2))
    message.take(1)
    for kind, value in message.extensions():
        if kind == SUPPORTED_VERSIONS:
            version = int.from_bytes(_Bytes(value).take(2))
    return ServerHello(version, suite, retry)


def _numbers(data: bytes) -> tuple[int, ...]:
    """Return the 16-bit numbers of a list; ValueError when it has half a number."""
    if len(data) % 2:
        raise ValueError("liste TLS de longueur impaire")
    return struct.unpack(f">{len(data) // 2}H", data)


def _server_name(value: bytes) -> str:
    names = _Bytes(_Bytes(value).vector(2))
    names.take(1)  # host_name, the only type there is
    return names.vector(2).decode("ascii", "backslashreplace")
