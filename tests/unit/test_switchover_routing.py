"""Where load balancers send connections, from HAProxy's statistics."""

from __future__ import annotations

import pytest

from citadelle import routing
from citadelle.routing import Routes, only_reader, reads_from, serving, unsettled, writes_elsewhere
from citadelle.topology import HAPROXY

# As HAProxy 3.0 writes them, most columns left out.
PAGE = """# pxname,svname,scur,status
rw,FRONTEND,3,OPEN
rw_pool,FRONTEND,3,OPEN
rw,pg1,1,UP
rw,pg2,0,DOWN
rw,pg3,0,DOWN 1/2
rw,BACKEND,1,UP
ro,FRONTEND,1,OPEN
ro,pg1,0,UP 1/2
ro,pg2,0,UP
ro,pg3,0,MAINT
ro,BACKEND,1,UP
check_rw,pg2,0,UP
"""


def routes(rw: str, ro: str) -> Routes:
    """Return both load balancers of one opinion; nodes by their numbers."""
    sides = {routing.READ_WRITE: rw, routing.READ_ONLY: ro}
    one = {side: frozenset(f"pg{n}" for n in nodes) for side, nodes in sides.items()}
    return dict.fromkeys(HAPROXY, one)


def test_servers_that_get_connections() -> None:
    """Up, also on the way down; not coming up, not in maintenance, not another backend's."""
    assert serving(PAGE) == {"rw": {"pg1"}, "ro": {"pg1", "pg2"}}


def test_right_writer() -> None:
    """Writes go to the primary alone."""
    assert writes_elsewhere(routes("1", "23"), "pg1") is None


@pytest.mark.parametrize("rw", ["", "2", "12"])
def test_wrong_writer(rw: str) -> None:
    """Nowhere, elsewhere, or still to the old one as well."""
    assert "écritures" in str(writes_elsewhere(routes(rw, "23"), "pg1"))


def test_one_load_balancer_of_another_opinion() -> None:
    """PgBouncer uses both by turns: the slower one counts."""
    mixed = {**routes("2", "13"), HAPROXY[1]: routes("1", "23")[HAPROXY[1]]}

    assert str(writes_elsewhere(mixed, "pg2")).startswith(HAPROXY[1])


@pytest.mark.parametrize("judge", [writes_elsewhere, reads_from, only_reader, unsettled])
def test_silent_load_balancer_is_not_right(judge: routing.Judge) -> None:
    """Nothing is known of it."""
    silent = {HAPROXY[0]: routes("1", "23")[HAPROXY[0]]}

    assert judge(silent, "pg1") == f"{HAPROXY[1]} ne répond pas"


@pytest.mark.parametrize(("ro", "alone"), [("23", False), ("3", False), ("2", True), ("", True)])
def test_only_reader(ro: str, *, alone: bool) -> None:
    """Readers of a replica that leaves need another one."""
    assert (only_reader(routes("1", ro), "pg2") is not None) is alone


def test_primary_among_the_readers() -> None:
    """Its readers' sessions would be cut a moment later."""
    assert "lectures" in str(reads_from(routes("1", "12"), "pg1"))


@pytest.mark.parametrize(("rw", "ro", "right"), [("1", "23", True), ("123", "123", False)])
def test_load_balancer_that_starts_is_not_settled(rw: str, ro: str, right: bool) -> None:
    """Until its first checks it counts every server in: writes would go to a replica."""
    assert (unsettled(routes(rw, ro), "pg1") is None) == right
