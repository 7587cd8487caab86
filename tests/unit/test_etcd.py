"""The keys that Patroni may touch in etcd: this cluster's, to the letter."""

from __future__ import annotations

import base64

import pytest

from citadelle import etcd
from citadelle.etcd import EtcdError
from tests.unit import factory


def range_of(text: str) -> tuple[bytes, bytes]:
    """Return a range as etcd compares it: from the first key, up to the second, excluded."""
    found = etcd.range_of(text)
    first, end = (base64.b64decode(str(found[key])) for key in ("key", "range_end"))
    return first, end


def test_prefix_is_the_cluster_s_own() -> None:
    """It ends with a slash: else « prod » would also own the keys of « prod2 »."""
    assert etcd.prefix(factory.topology(CLUSTER_NAME="prod")) == "/service/prod/"


def test_range_starts_at_the_prefix_and_ends_after_it() -> None:
    """The last byte plus one: every key that starts with the prefix, no other."""
    assert range_of("/service/prod/") == (b"/service/prod/", b"/service/prod0")


@pytest.mark.parametrize(
    ("key", "inside"),
    [
        ("/service/prod/", True),
        ("/service/prod/leader", True),
        ("/service/prod/members/pg1", True),
        ("/service/prod", False),
        ("/service/prod2/leader", False),
        ("/service/prod-2/leader", False),
        ("/service/autre/leader", False),
        ("/", False),
    ],
)
def test_range_holds_this_cluster_only(key: str, *, inside: bool) -> None:
    """Two clusters in one etcd do not see each other."""
    first, end = range_of("/service/prod/")

    assert (first <= key.encode() < end) is inside


class Late:
    """An etcd whose first answer was late: what is asked again is there already."""

    def __init__(self, message: str) -> None:
        self.message = message

    def call(self, _path: str, _body: dict[str, object]) -> dict[str, object]:
        """Refuse, in etcd's own words."""
        raise EtcdError(self.message)


@pytest.mark.parametrize("message", ["user name already exists", "role name already exists"])
def test_answer_that_was_late_is_no_failure(message: str) -> None:
    """The first attempt had done it."""
    late = Late(f"etcdserver: {message}")
    etcd._add(late, "/auth/user/add", {})  # type: ignore[arg-type]  # asked only


def test_any_other_refusal_is_one() -> None:
    """A user that could not be added is not there."""
    late = Late("etcdserver: permission denied")
    with pytest.raises(EtcdError, match="permission denied"):
        etcd._add(late, "/auth/user/add", {})  # type: ignore[arg-type]  # asked only
