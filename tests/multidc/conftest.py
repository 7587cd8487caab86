"""Two datacentres: a cluster of its own, whose sites these tests cut, slow down and lose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.arena import Arena, raised


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    """One for the session, as `.env.example` lays the nodes out: DC1 preferred, one node remote."""
    with raised("multidc") as arena:
        yield arena
