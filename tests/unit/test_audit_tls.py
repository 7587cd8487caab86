"""The audit's live probes, against doors of this machine that do what they must not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from citadelle.audit import probes, tls
from citadelle.audit.control import Cluster
from citadelle.audit.probes import Entrance
from citadelle.doors import DOORS, Place
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER
from citadelle.workspace import Home
from tests.probes.tls import named
from tests.unit.pki_home import CLUSTER

Answer = Callable[[socket.socket], None]
Places = frozenset[tuple[str, int]]
HELLO = b"HTTP/1.0 200 OK\r\n\r\n"
CLIENTS = named("etcd-client")


def _context(home: Home, *, mutual: bool = True, name: str = "etcd1") -> ssl.SSLContext:
    """Return what an honest member of etcd uses, but for what the caller changes."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(
        home.pki / "dcs-client" / f"{name}.crt", home.pki / "dcs-client" / f"{name}.key"
    )
    found.minimum_version = ssl.TLSVersion.TLSv1_3
    if mutual:
        found.load_verify_locations(home.pki / "dcs-client" / "ca.crt")
        found.verify_mode = ssl.CERT_REQUIRED
    return found


def _speaking(context: ssl.SSLContext) -> Answer:
    def answer(raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as session:
            session.recv(1)

    return answer


def _in_clear(raw: socket.socket) -> None:
    raw.recv(1024)
    raw.sendall(HELLO)


@contextlib.contextmanager
def _listening(answer: Answer) -> Iterator[int]:
    """Give every connection to ``answer`` until the body ends; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    raw, _ = server.accept()
                    with raw, contextlib.suppress(OSError):
                        answer(raw)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)  # wakes accept(), which closing alone does not
    thread.join(probes.ANSWER_SECONDS)


def only(monkeypatch: pytest.MonkeyPatch, port: int) -> Entrance:
    """Make a port of this machine the cluster's only door: that of etcd's clients."""
    entrance = Entrance(CLIENTS, Place("etcd1", "127.0.0.1", port))
    monkeypatch.setattr(probes, "entrances", lambda _: (entrance,))
    return entrance


def failing(monkeypatch: pytest.MonkeyPatch, home: Home, answer: Answer) -> set[str]:
    """Return the live controls that fail when the cluster's only door is this one."""
    with _listening(answer) as port:
        only(monkeypatch, port)
        cluster = Cluster(CLUSTER, home)
        live = [c for c in tls.CONTROLS if c.identifier != "TL-07"]
        return {c.identifier for c in live if not c.check(cluster).ok}


def test_honest_door_passes(monkeypatch: pytest.MonkeyPatch, ready_home: Home) -> None:
    """The failures below are those of one change."""
    assert failing(monkeypatch, ready_home, _speaking(_context(ready_home))) == set()


def test_older_tls_is_seen(monkeypatch: pytest.MonkeyPatch, ready_home: Home) -> None:
    """A door that also speaks TLS 1.2."""
    context = _context(ready_home)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert failing(monkeypatch, ready_home, _speaking(context)) == {"TL-02"}


def test_missing_client_verification_is_seen(
    monkeypatch: pytest.MonkeyPatch, ready_home: Home
) -> None:
    """`verify none`: anybody on the network enters, and so does any certificate."""
    context = _context(ready_home, mutual=False)
    assert failing(monkeypatch, ready_home, _speaking(context)) == {"TL-03", "TL-04"}


def test_another_certificate_is_seen(
    monkeypatch: pytest.MonkeyPatch, ready_home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A door that serves what the inventory does not hold: an old delivery, or an intruder."""
    context = _context(ready_home)
    monkeypatch.setattr(tls, "certificates", lambda *_: iter(()))
    assert failing(monkeypatch, ready_home, _speaking(context)) == {"TL-05"}


def test_clear_text_listener_is_seen(monkeypatch: pytest.MonkeyPatch, ready_home: Home) -> None:
    """A metrics port, a proxy without TLS: it answers a request in clear."""
    with _listening(_in_clear) as port:
        entrance = only(monkeypatch, port)
        (control,) = [c for c in tls.CONTROLS if c.identifier == "TL-06"]
        finding = control.check(Cluster(CLUSTER, ready_home))
    assert finding.seen == f"{entrance} : réponse en clair"


def ports(
    monkeypatch: pytest.MonkeyPatch, node: str, change: Callable[[Places], Places]
) -> list[str]:
    """Return what TL-07 says when one node listens on something else than it must."""
    cluster = Cluster(CLUSTER, Home(Path()))
    expected = tls.expected_ports(cluster)

    def listeners(_cluster: Cluster, name: str) -> Places:
        return change(expected[name]) if name == node else expected[name]

    monkeypatch.setattr(probes, "listeners", listeners)
    (control,) = [c for c in tls.CONTROLS if c.identifier == "TL-07"]
    finding = control.check(cluster)
    return [] if finding.ok else finding.seen.splitlines()


def test_expected_ports_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failures below are those of one change."""
    assert ports(monkeypatch, ETCD[0], lambda found: found) == []


def test_port_too_many_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that no flow of the table explains."""
    said = ports(monkeypatch, ETCD[1], lambda found: found | {("0.0.0.0", 2381)})  # noqa: S104

    assert said == [f"{ETCD[1]} : écoute sur 0.0.0.0:2381"]


@pytest.mark.parametrize("node", [*ETCD, *PG, *HAPROXY, *PGBOUNCER])
def test_empty_table_is_no_success(monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    """Nothing read is not nothing wrong: what must listen is missed."""
    said = ports(monkeypatch, node, lambda _: frozenset())

    assert all(f"{node} : n'écoute pas sur " in fault for fault in said)
    assert len(said) == len(tls.expected_ports(Cluster(CLUSTER, Home(Path())))[node])


def test_every_published_port_and_inner_address_is_knocked_on() -> None:
    """But for the doors that only know certain addresses: the operator's machine has none."""
    found = {(e.place.host, e.place.port) for e in probes.entrances(CLUSTER)}
    known = {(p.host, p.port) for d in DOORS if not d.sources for p in d.places(CLUSTER)}

    assert {(e.host, e.port) for e in CLUSTER.endpoints} < known == found


def test_certificate_that_a_door_serves_is_shown() -> None:
    """The operator's wherever it is one; where none is asked for, none."""
    found = {shown for door in DOORS if (shown := probes.own(door))}
    operator = {(plane, "operator") for plane in ("dcs-client", "rest")}

    assert found == operator | {("dcs-peer", ETCD[0]), ("tunnel", HAPROXY[0])}


# What tests/etcd, tests/haproxy and tests/pgbouncer find on the running cluster: how many.
LISTENERS = {ETCD: 3, PG: 5, HAPROXY: 5, PGBOUNCER: 2}


@pytest.mark.parametrize(("nodes", "count"), LISTENERS.items())
def test_expected_ports_are_those_of_the_doors_and_the_loopback(
    nodes: tuple[str, ...], count: int
) -> None:
    """None more, none of the machine's own published ports, and no node left out."""
    found = tls.expected_ports(Cluster(CLUSTER, Home(Path())))

    assert {len(found[node]) for node in nodes} == {count}
    published = {(e.host, e.port) for e in CLUSTER.endpoints}
    assert not any(found[node] & published for node in nodes)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("0B40D10A:094B", ("10.209.64.11", 2379)),
        ("0" * 31 + "1:1F90", ("IPv6", 8080)),
    ],
)
def test_kernel_s_addresses_are_read(row: str, place: tuple[str, int]) -> None:
    """As /proc/net/tcp and tcp6 write them."""
    assert probes.place(row) == place
