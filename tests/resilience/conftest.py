"""The arena: a cluster of its own, where these tests stop, cut and kill what they like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.arena import Arena, raised


@pytest.fixture(scope="session")
def arena() -> Iterator[Arena]:
    """One for the session, which may be given a fencer."""
    with raised("chaos", FENCER="oui") as arena:
        yield arena
