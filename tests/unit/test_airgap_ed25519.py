"""airgap-verify's own Ed25519: the RFC's vectors, the library's verdicts, and forgeries."""

from __future__ import annotations

import hashlib
import os

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.unit.bundles import VERIFY

P, ORDER = VERIFY.P, VERIFY.ORDER
# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
        "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
        "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
        "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ec"
        "fdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}
# The eight points whose order divides 8, and how else some of them can be spelt.
_Y8 = 2707385501144840649318225287225658788936804267575313519463743609750303021022


def encodings_of_small_order() -> list[bytes]:
    """Return every encoding, canonical or not, of a point of small order."""
    ys = [0, 1, P - 1, P, P + 1, _Y8, P - _Y8]
    return [(y | sign << 255).to_bytes(32, "little") for y in ys for sign in (0, 1)]


def library(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return what `cryptography` says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("name", VECTORS)
def test_rfc_vectors(name: str) -> None:
    """Accepted, and no other message with them."""
    secret, *rest = VECTORS[name]
    public, message, signature = map(bytes.fromhex, rest)

    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(message) == signature
    assert VERIFY.signed(public, message, signature)
    assert not VERIFY.signed(public, message + b"\0", signature)


@pytest.mark.parametrize("round_", range(8))
def test_same_verdict_as_the_library(round_: int) -> None:
    """On a signature, and on any one of its bits changed: the key's, R's, S's."""
    key = Ed25519PrivateKey.generate()
    public, message = key.public_key().public_bytes_raw(), os.urandom(round_ * 40)
    signature = key.sign(message)
    whole = public + signature
    assert VERIFY.signed(public, message, signature)
    for bit in (round_, 255, 256 + round_, 511, 512 + round_, 760, 767):
        other = bytearray(whole)
        other[bit // 8] ^= 1 << bit % 8
        changed = bytes(other[:32]), message, bytes(other[32:])
        assert VERIFY.signed(*changed) is library(*changed) is False, bit


@pytest.mark.parametrize("times", [1, 2, 7])
def test_second_spelling_of_s(times: int) -> None:
    """S + L proves the same equation: a signature must have one form only (RFC 8032, 5.1.7)."""
    key = Ed25519PrivateKey.generate()
    signature = key.sign(b"x")
    s = int.from_bytes(signature[32:], "little") + times * ORDER
    forged = signature[:32] + s.to_bytes(32, "little")

    assert not VERIFY.signed(key.public_key().public_bytes_raw(), b"x", forged)
    assert not library(key.public_key().public_bytes_raw(), b"x", forged)


@pytest.mark.parametrize("public", encodings_of_small_order(), ids=bytes.hex)
def test_key_of_small_order(public: bytes) -> None:
    """R neutral and S zero would be such a key's signature of one message in eight, or of all."""
    neutral = VERIFY.encode((0, 1, 1, 0))
    forged = neutral + bytes(32)

    assert VERIFY.decode(public) is None
    assert not any(VERIFY.signed(public, bytes([i]), forged) for i in range(4))


def test_the_library_accepts_a_key_of_small_order() -> None:
    """Why the check above is not the library's business: it has none."""
    neutral = VERIFY.encode((0, 1, 1, 0))

    assert library(neutral, b"anything", neutral + bytes(32))


def test_r_of_small_order() -> None:
    """Nobody who signs as the RFC says draws it; libsodium refuses it too."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    digest = bytearray(hashlib.sha512(key.private_bytes_raw()).digest()[:32])
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    neutral = VERIFY.encode((0, 1, 1, 0))
    k = int.from_bytes(hashlib.sha512(neutral + public + b"x").digest(), "little")
    s = k * int.from_bytes(digest, "little") % ORDER
    signature = neutral + s.to_bytes(32, "little")

    assert library(public, b"x", signature)
    assert not VERIFY.signed(public, b"x", signature)


@pytest.mark.parametrize("y", [2, 7, P + 3, 2**255 - 1])
def test_not_a_point(y: int) -> None:
    """No x for this y, or y beyond the field."""
    assert VERIFY.decode(y.to_bytes(32, "little")) is None
