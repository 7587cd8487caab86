"""Names in etcd's certificates: on its gRPC side a client's CN is a login without password.

A certificate of its client authority with CN=root *would be* root. The defence is that none is
ever issued, and that no other authority is believed.
"""

from __future__ import annotations

import ssl
from dataclasses import replace

import httpx
import pytest

from citadelle import pki_files
from citadelle.doors import Door, Place
from citadelle.etcd import PATRONI_USER
from citadelle.inventory import PLANES
from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import https, minted
from tests.probes.tls import judgement
from tests.security import _minted
from tests.security._matrix import CERTIFICATES, OPEN, every, named

ETCD_PLANES = ("dcs-peer", "dcs-client")
OTHERS = [
    (door, plane)
    for door in OPEN
    if door.client_plane in ETCD_PLANES
    for plane in PLANES
    if plane != door.client_plane
]
# What the JSON gateway says: to nobody, and to whoever would be somebody by his certificate.
IGNORED = "CommonName of client sending a request against gateway will be ignored"
NAMES = [("", "user name is empty"), ("root", IGNORED), (PATRONI_USER, IGNORED)]


@pytest.mark.parametrize("user", ["root", PATRONI_USER])
@pytest.mark.parametrize(("door", "plane"), OTHERS, ids=named)
def test_user_s_name_in_another_plane_is_no_login(
    topology: Topology, home: Home, door: Door, plane: str, user: str
) -> None:
    """Etcd takes a client's CN for a login without password: no other authority may give one.

    Its own client authority could: that it never does is the last test's fact.
    """
    spec = replace(_minted.served(topology, door), plane=plane, common_name=user)
    tls = _minted.shown(home, door, minted.issued(home, spec))
    places = door.places(topology)
    found = {place: judgement(tls, door, place) for place in places}
    assert found == dict.fromkeys(places, "UNKNOWN_CA")


def _read(tls: ssl.SSLContext, place: Place) -> tuple[int, str]:
    """Ask a member for a key without a user; return the status and etcd's own words."""
    answer = https.request(
        tls,
        "POST",
        place.host,
        place.port,
        "/v3/kv/range",
        server_name=place.node,
        body={"key": "AA=="},
    )
    return answer.status_code, answer.text


@pytest.mark.parametrize(("name", "words"), NAMES)
@every(lambda door: door.name == "etcd-client")
def test_certificate_alone_is_no_user_of_etcd(
    topology: Topology, home: Home, door: Door, name: str, words: str
) -> None:
    """Whatever its names, a certificate of the right plane still needs a password here."""
    spec = replace(_minted.served(topology, door), common_name=name, dns=("etcd1", "root"))
    tls = _minted.shown(home, door, minted.issued(home, spec))
    for place in door.places(topology):
        status, text = _read(tls, place)
        assert (status, words in text) == (httpx.codes.BAD_REQUEST, True)


@pytest.mark.parametrize("plane", ETCD_PLANES)
def test_no_certificate_on_disk_has_a_common_name(home: Home, plane: str) -> None:
    """Nothing that these authorities signed, in the inventory or left over, logs anybody in."""
    found = {
        name: [attribute.value for attribute in certificate.subject]
        for name, certificate in pki_files.certificates(home, plane)
        if name != pki_files.AUTHORITY
    }
    assert found == {c.name: [] for c in CERTIFICATES if c.plane == plane}
