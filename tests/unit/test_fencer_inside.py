"""What the fencer runs in a survivor's pod: one read, and one write that can only delete."""

from __future__ import annotations

import ast
import base64
import sys
from pathlib import Path
from typing import Any

import pytest

from citadelle.fencer import inside

PREFIX = "/service/citadelle/"


def b64(text: str) -> str:
    """Spell a text as etcd's JSON gateway does."""
    return base64.b64encode(text.encode()).decode()


class Gateway:
    """An etcd that answers what it is told, and keeps what it was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Take a request."""
        self.asked.append((path, body))
        return self.answer


def ranges(*values: str | None) -> dict[str, Any]:
    """Answer a transaction of reads; None is a key that is not there."""
    rows = [
        {"response_range": {"kvs": [{"value": b64(v), "mod_revision": "42"}]} if v else {}}
        for v in values
    ]
    return {"succeeded": True, "responses": rows}


def read(*values: str | None) -> dict[str, Any]:
    """Read leader, sync and config with these values."""
    return inside.read(Gateway(ranges(*values)).post, PREFIX)


def test_lock_is_read() -> None:
    """Its holder, its revision, and who may take it over."""
    found = read("pg1", '{"leader":"pg1","sync_standby":"pg2","quorum":0}', '{"ttl":20}')

    assert found == {
        "holder": "pg1",
        "revision": "42",
        "synchronous": "pg1",
        "standbys": ["pg2"],
        "paused": False,
    }


def test_nothing_there_is_nobody() -> None:
    """A cluster between two primaries, or before its first."""
    found = read(None, None, None)

    assert (found["holder"], found["standbys"], found["paused"]) == ("", [], False)


@pytest.mark.parametrize(
    ("sync", "standbys"),
    [
        ('{"leader":"pg1","sync_standby":null}', []),
        ('{"leader":"pg1","sync_standby":""}', []),
        ('{"leader":"pg1","sync_standby":"pg2,pg3"}', ["pg2", "pg3"]),
    ],
)
def test_standbys(sync: str, standbys: list[str]) -> None:
    """None, or several, as Patroni writes them."""
    assert read("pg1", sync, None)["standbys"] == standbys


def test_maintenance_is_seen() -> None:
    """`patronictl pause`."""
    assert read("pg1", None, '{"pause":true}')["paused"] is True


def test_only_write_is_a_comparison_and_a_deletion() -> None:
    """Holder and revision, both; then that one key, and nothing else. No put, ever."""
    etcd = Gateway({"succeeded": True})
    inside.release(etcd.post, PREFIX, "pg1", "42")
    key = b64("/service/citadelle/leader")

    assert etcd.asked == [
        (
            "/kv/txn",
            {
                "compare": [
                    {"key": key, "target": "VALUE", "value": b64("pg1")},
                    {"key": key, "target": "MOD", "mod_revision": "42"},
                ],
                "success": [{"request_delete_range": {"key": key}}],
            },
        )
    ]


@pytest.mark.parametrize(("answer", "done"), [({"succeeded": True}, True), ({"header": {}}, False)])
def test_comparison_decides(answer: dict[str, Any], *, done: bool) -> None:
    """The gateway leaves out what is false."""
    assert inside.release(Gateway(answer).post, PREFIX, "pg1", "42") is done


def test_it_needs_nothing_that_a_pod_does_not_have() -> None:
    """Python's own library, and the YAML of Patroni."""
    tree = ast.parse(Path(inside.__file__).read_text(encoding="utf-8"))
    imports = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        node.module.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }

    assert imports - set(sys.stdlib_module_names) == {"yaml"}
