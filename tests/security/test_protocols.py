"""What each door speaks: TLS 1.3 with sound suites, and nothing before it.

The hellos are made by hand (_tls_hello.py): what is refused here, a TLS library of today would
refuse to offer, and the refusal would be its own. The three suites of TLS 1.3 in use are all
AEAD. HAProxy is told to take these; etcd (Go), PostgreSQL 17 and PgBouncer 1.24 have no setting
for them, and their library's default is the same three.
"""

from __future__ import annotations

import pytest

from citadelle.doors import Door
from citadelle.topology import Topology
from tests.security import _tls_hello
from tests.security._matrix import every
from tests.security._tls_hello import OLD_SUITES, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3

VERSIONS = {
    "1.0": (TLS_1_0,),
    "1.1": (TLS_1_1,),
    "1.2": (TLS_1_2,),
    "1.2 to 1.0": (TLS_1_2, TLS_1_1, TLS_1_0),
}
TAKEN = {
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
}
# RFC 8446, B.4: for small devices (CCM_8 shortens the proof to 64 bits); RFC 9150: no encryption
# at all; then everything that TLS 1.2 had.
REFUSED = {
    "TLS_AES_128_CCM_SHA256": (0x1304,),
    "TLS_AES_128_CCM_8_SHA256": (0x1305,),
    "TLS_SHA256_SHA256": (0xC0B4,),
    "TLS_SHA384_SHA384": (0xC0B5,),
    "suites of TLS 1.2": OLD_SUITES,
}


@pytest.mark.parametrize("versions", VERSIONS.values(), ids=VERSIONS)
@every(lambda _: True)
def test_old_version_is_refused(topology: Topology, door: Door, versions: tuple[int, ...]) -> None:
    """All clients are ours: nothing old to spare, no downgrade."""
    places = door.places(topology)
    offered = _tls_hello.hello(OLD_SUITES, *versions)
    found = {place: _tls_hello.alert(door, place, offered) for place in places}
    assert found == dict.fromkeys(places, _tls_hello.PROTOCOL_VERSION)


@pytest.mark.parametrize("suite", TAKEN.values(), ids=TAKEN)
@every(lambda _: True)
def test_sound_suite_is_taken(topology: Topology, door: Door, suite: int) -> None:
    """The same hello with a suite that is taken: refusals elsewhere are not the hello's fault."""
    places = door.places(topology)
    offered = _tls_hello.hello((suite,), TLS_1_3)
    found = {place: _tls_hello.chosen(door, place, offered) for place in places}
    assert found == dict.fromkeys(places, suite)


@pytest.mark.parametrize("suites", REFUSED.values(), ids=REFUSED)
@every(lambda _: True)
def test_other_suite_is_refused(topology: Topology, door: Door, suites: tuple[int, ...]) -> None:
    """A client that has nothing better gets no connection rather than a weak one."""
    places = door.places(topology)
    offered = _tls_hello.hello(suites, TLS_1_3)
    found = {place: _tls_hello.alert(door, place, offered) for place in places}
    assert found == dict.fromkeys(places, _tls_hello.HANDSHAKE_FAILURE)
