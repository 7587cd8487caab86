"""HTTPS requests of a test: the product's client, with a test's patience."""

from __future__ import annotations

from functools import partial

from citadelle import clients

# The product gives up sooner, to ask another node. A test asks one door and wants its answer, also
# from a machine that is busy with other clusters.
SECONDS = 10.0

request = partial(clients.request, seconds=SECONDS)
