"""The flow table holds together: with the networks, with the settings, with the documentation."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from citadelle import flows
from citadelle.flows import FLOWS, Flow, Party
from citadelle.settings import FIELDS
from citadelle.topology import ATTACHED, NETWORKS
from citadelle.workspace import ROOT
from tests.unit import factory

# An application is on the published side, and nowhere else.
REACH = {**ATTACHED, "client": ("front",)}
INSIDE = [
    name
    for name, field in FIELDS.items()
    if field.metadata["kind"].startswith("port/") and field.metadata["kind"] != "port/hôte"
]
CLUSTER = factory.topology()


def label(flow: Flow) -> str:
    """Name a flow in pytest's output."""
    return f"{flow.source}-{flow.target}-{flow.port}"


every_flow = pytest.mark.parametrize("flow", FLOWS, ids=label)


@every_flow
def test_both_ends_share_the_network(flow: Flow) -> None:
    """A flow that the segmentation forbids would be a promise that nothing keeps."""
    assert flow.network in REACH[flow.source]
    assert flow.network in REACH[flow.target]


@every_flow
def test_flow_is_encrypted(flow: Flow) -> None:
    """Nothing crosses a network of the cluster in clear text: whoever listens learns nothing."""
    assert flow.encryption.startswith(("mTLS ", "TLS ", "HTTPS"))


@every_flow
def test_flow_is_proven(flow: Flow) -> None:
    """No flow without a proof of who speaks: a certificate, a password or both."""
    assert any(proof in flow.proof for proof in ("certificat", "mot de passe", "SCRAM"))


def test_flows_are_distinct() -> None:
    """One row per conversation."""
    rows = [(f.source, f.target, f.network, f.port) for f in FLOWS]

    assert len(set(rows)) == len(rows)


def test_every_port_has_a_flow() -> None:
    """A port that no flow needs should not be open; a flow has no port of its own."""
    assert {flow.port for flow in FLOWS} == set(INSIDE)


@every_flow
def test_flow_is_documented(flow: Flow) -> None:
    """docs/flux.md, from which firewalls are written, has the port of every flow."""
    assert flow.port in (ROOT / "docs" / "flux.md").read_text(encoding="utf-8")


@every_flow
def test_flow_is_matched(flow: Flow) -> None:
    """The packet capture finds the row of a connection by its two ends and its port."""
    number = flow.number(CLUSTER)

    assert flows.match(CLUSTER, flow.network, flow.source, flow.target, number) == flow


@every_flow
def test_no_flow_goes_back(flow: Flow) -> None:
    """Connections have a direction: the target of one may not open it (but to its equals)."""
    found = flows.match(CLUSTER, flow.network, flow.target, flow.source, flow.number(CLUSTER))

    assert found == (flow if flow.source == flow.target else None)


@every_flow
def test_postgres_is_where_its_tls_is_expected(flow: Flow) -> None:
    """The clear-text negotiation is allowed on PostgreSQL's own flows, and on no other."""
    assert flow.postgres == (flow.encryption.startswith("TLS server"))


def test_ports_are_those_of_the_settings() -> None:
    """A capture knows which end serves by them."""
    assert flows.ports(CLUSTER) == {getattr(CLUSTER.settings, name.lower()) for name in INSIDE}


@pytest.mark.parametrize("network", NETWORKS)
def test_nodes_are_known_by_their_addresses(network: str) -> None:
    """On each network that they are attached to."""
    for kind in ("etcd", "pg", "haproxy", "pgbouncer"):
        if network in ATTACHED[kind]:
            address = CLUSTER.address(f"{kind}2", network)
            assert flows.party(CLUSTER, network, address) == Party(f"{kind}2", kind)


@pytest.mark.parametrize(
    ("network", "last", "party"),
    [
        ("dcs", 1, Party("machine", "tools")),
        ("dcs", 200, Party("tools", "tools")),
        ("pg", 1, Party("machine", "tools")),
        ("pg", 11, Party("tools", "tools")),
        ("front", 1, Party("machine", "client")),
        ("front", 200, Party("client", "client")),
        ("pool", 1, Party("machine", "")),
    ],
)
def test_strangers_have_a_place(network: str, last: int, party: Party) -> None:
    """The operator on the inner networks, an application in front, nobody between the proxies."""
    assert flows.party(CLUSTER, network, CLUSTER.subnets[network][last]) == party


@pytest.mark.parametrize("network", NETWORKS)
def test_address_from_elsewhere_is_a_client_at_most(network: str) -> None:
    """A spoofed address on an inner network is nobody's."""
    found = flows.party(CLUSTER, network, ip_address("192.0.2.1"))

    assert found == Party("192.0.2.1", "client" if network == "front" else "")
