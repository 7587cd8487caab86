"""The doors hold together with the flows, the inventory, the networks and the settings."""

from __future__ import annotations

import pytest

from citadelle.doors import DOORS, Demand, Door, Protocol
from citadelle.flows import FLOWS, POSTGRES_PORTS
from citadelle.inventory import PLANES, TRUSTED, certificates
from citadelle.topology import ATTACHED, CONTAINERS, NETWORKS, Role
from tests.unit import factory

CLUSTER = factory.topology()
ALL = certificates(CLUSTER)
# Between a gateway and its own Patroni, on the pod's loopback: no network leads there.
INSIDE_A_POD = ("gateway.", "loopback.")


def label(door: Door) -> str:
    """Name a door in pytest's output."""
    return door.name


every_door = pytest.mark.parametrize("door", DOORS, ids=label)


def _encryption(door: Door) -> str:
    """Say a door's encryption as the flow table does, as far as every flow to it says it."""
    if door.demand is Demand.REQUIRED:
        return f"mTLS {door.client_plane}"
    if door.protocol is Protocol.TLS:
        return "HTTPS"
    return f"TLS {door.server_plane}" + (" de bout en bout" if door.end_to_end else "")


def test_every_flow_leads_to_a_door_and_back() -> None:
    """A port that nobody needs should be shut; a flow without a door would be tried by no test."""
    doors = [(d.kind, d.network, d.port) for d in DOORS]

    assert sorted(doors) == sorted({(f.target, f.network, f.port) for f in FLOWS})


def test_names_are_distinct() -> None:
    """Results are filed under them."""
    assert len({door.name for door in DOORS}) == len(DOORS)


@every_door
def test_flows_say_the_door_s_encryption(door: Door) -> None:
    """The flow matrix, from which the documentation is made, promises what the door asks for."""
    flows = [
        f for f in FLOWS if (f.target, f.network, f.port) == (door.kind, door.network, door.port)
    ]

    assert all(flow.encryption.startswith(_encryption(door)) for flow in flows)


@every_door
def test_door_speaks_the_flow_s_protocol(door: Door) -> None:
    """PostgreSQL's negotiation comes before TLS at its own ports, and nowhere else."""
    assert (door.protocol is Protocol.POSTGRES) == (door.port in POSTGRES_PORTS)


@every_door
def test_door_is_on_a_network_of_its_node(door: Door) -> None:
    """An address that the node does not have is no door."""
    assert door.network in NETWORKS
    assert door.network in ATTACHED[door.kind]


@every_door
def test_planes_exist(door: Door) -> None:
    """A misspelt plane would make every certificate a stranger's."""
    assert {door.server_plane, door.client_plane or door.server_plane} <= set(PLANES)


@every_door
def test_accepted_certificates_are_of_the_client_plane(door: Door) -> None:
    """A name that is served must be issued, for clients, by the authority that is asked for."""
    passing = {c.name for c in ALL if door.passes(c)}

    assert set(door.accepts) <= passing
    assert passing or door.client_plane is None


@every_door
def test_shown_certificates_are_servers_of_the_server_plane(door: Door) -> None:
    """Every node's door has a certificate in the inventory."""
    issued = {c.name for c in ALL if c.plane == door.server_plane and c.server}

    for place in door.places(CLUSTER):
        assert set(door.shows(place.node)) <= issued


@every_door
def test_guard_is_delivered_the_client_authority(door: Door) -> None:
    """A door judges clients by an authority that its guard has; one without none has none."""
    trusted = TRUSTED[door.guard]

    assert door.client_plane is None or door.client_plane in trusted


def test_every_client_certificate_opens_a_door() -> None:
    """One that opens none is a key lying around for nothing."""
    useless = {
        f"{c.plane}/{c.name}" for c in ALL if c.client and not any(d.passes(c) for d in DOORS)
    }

    assert useless == set()


def test_clients_that_are_served_nothing_are_known() -> None:
    """In the planes that go by names, only the pods' inner certificates are served nothing."""
    served = {(d.client_plane, name) for d in DOORS for name in d.accepts}
    planes = {d.client_plane for d in DOORS if d.demand is Demand.REQUIRED}
    others = {c.name for c in ALL if c.client and c.plane in planes} - {n for _, n in served}

    assert all(name.startswith(INSIDE_A_POD) for name in others)
    assert len(others) == len([c for c in CONTAINERS if c.role is Role.GATEWAY])


def test_every_server_certificate_is_shown() -> None:
    """... but for those of the pods' inside, again."""
    shown = {(d.server_plane, n) for d in DOORS for p in d.places(CLUSTER) for n in d.shows(p.node)}
    unseen = {c.name for c in ALL if c.server and (c.plane, c.name) not in shown}

    assert all(name.startswith(INSIDE_A_POD) for name in unseen)


@every_door
def test_door_has_a_log(door: Door) -> None:
    """A refusal that no container writes down is not seen."""
    names = {c.name for c in CONTAINERS}

    for place in door.places(CLUSTER):
        assert door.guards(place.node)
        assert set(door.guards(place.node)) <= names


def test_every_published_port_is_a_door() -> None:
    """What the machine publishes is tried too."""
    places = {(p.host, p.port) for door in DOORS for p in door.places(CLUSTER)}

    assert {(e.host, e.port) for e in CLUSTER.endpoints} <= places


@pytest.mark.parametrize("plane", ["dcs-peer", "dcs-client"])
def test_etcd_s_certificates_have_no_common_name(plane: str) -> None:
    """Etcd takes a client's CN for a login without password: the inventory gives none."""
    assert {c.common_name for c in ALL if c.plane == plane} == {""}
