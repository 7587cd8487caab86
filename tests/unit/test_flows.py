"""The flow table holds together: with the networks, with the settings, with the documentation."""

from __future__ import annotations

import pytest

from citadelle.flows import FLOWS, Flow
from citadelle.settings import FIELDS
from citadelle.topology import ATTACHED
from citadelle.workspace import ROOT

# An application is on the published side, and nowhere else.
REACH = {**ATTACHED, "client": ("front",)}
INSIDE = [
    name
    for name, field in FIELDS.items()
    if field.metadata["kind"].startswith("port/") and field.metadata["kind"] != "port/hôte"
]


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
