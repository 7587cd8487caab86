"""What travels between the components, seen from the first packet of a cluster on.

The capture, its scenario and its judgement are `invoke prove.wire`'s own (citadelle/wire).
"""

from __future__ import annotations

import json

import pytest

from citadelle.flows import FLOWS, Flow
from citadelle.topology import NETWORKS
from citadelle.verify import REPORTS
from tests.security.conftest import Copy

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]


def _label(flow: Flow) -> str:
    return f"{flow.source}-{flow.target}-{flow.port}"


def test_wire_shows_nothing_wrong(copy: Copy) -> None:
    """No stream outside the table, nothing in clear, no canary, no packet that leaves."""
    assert copy.wire.problems == ()


@pytest.mark.parametrize("flow", FLOWS, ids=_label)
def test_flow_is_exercised_and_encrypted(copy: Copy, flow: Flow) -> None:
    """The scenario spoke over every row of the table, and no stream of it is at fault."""
    (row,) = [row for row in copy.wire.rows if row.flow == flow]

    assert row.exercised
    assert row.faulty == 0


def test_tls_is_1_3_everywhere(copy: Copy) -> None:
    """No component needs an exception."""
    assert set(copy.wire.sessions) == {"TLS 1.3"}


@pytest.mark.parametrize("network", NETWORKS)
def test_detector_sees_its_witness(copy: Copy, network: str) -> None:
    """Positive control: a clear-text exchange on purpose is found with all its faults."""
    assert copy.wire.witnessed[network] > 0


def test_every_stream_was_seen_whole(copy: Copy) -> None:
    """The capture began before the cluster: nothing was open already."""
    assert [row.flow for row in copy.wire.rows if row.late] == []


def test_reports_hold_no_secret(copy: Copy) -> None:
    """The proof may be handed to an auditor."""
    secrets = [secret.reveal() for secret in copy.topology.settings.secrets().values()]
    for name in ("wire.json", "wire.html"):
        text = (REPORTS / name).read_text(encoding="utf-8")
        assert sum(secret in text for secret in secrets) == 0
    assert json.loads((REPORTS / "wire.json").read_text())["proven"] is True
