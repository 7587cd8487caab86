"""The secrets on the running cluster: each control of the audit, in every place it searches.

That the search finds a planted secret is shown in tests/unit/test_audit_secrets.py; here it
also finds, in each run, a witness of its own.
"""

from __future__ import annotations

import pytest

from citadelle.audit import files, haystacks
from citadelle.audit.control import Cluster, Control
from citadelle.audit.secrets import CONTROLS
from citadelle.credentials import CREDENTIALS
from citadelle.delivery import READERS
from citadelle.topology import Container


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.identifier)
def test_control_holds(cluster: Cluster, control: Control) -> None:
    """Whoever reads an image, a log, a process or a volume not his own learns no secret."""
    finding = control.check(cluster)
    assert finding.ok, f"{control.title}\n{finding.seen}"


def test_search_finds_the_secrets_where_they_are(cluster: Cluster) -> None:
    """The same needles, in the volumes that hold them: an empty search would find none."""
    volumes = files.delivered(cluster).items()
    content = [(name, [f.content]) for name, found in volumes for f in found]
    found = haystacks.search(content, haystacks.of_settings(cluster.topology.settings))
    held = {c.secret for c in CREDENTIALS if c.holders}
    assert {hit.name for hit in found.hits} == held


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_every_volume_was_read(cluster: Cluster, reader: Container) -> None:
    """A volume that is not read would pass every rule about its files."""
    assert any(file.content for file in files.delivered(cluster)[reader.name])
