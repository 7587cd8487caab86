"""What the fencer runs inside the pod of a survivor: read the primary's lock, or end it.

Run by that pod's Python, it has the pod's own etcd identity and imports nothing of ours. It says
what the lock is, in a line of JSON; then waits for ``NODE REVISION`` on its standard input to end
that very lock, and says whether it did. Nothing asked, nothing done.

The only write is a compare-and-delete: a deletion makes the replicas hold their ordinary race,
under Patroni's rules. A put would appoint a primary without any (docs/decisions.md).
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

CONFIGURATION = Path("/etc/citadelle/patroni.yml")
# One member's answer; three of them and the start of Python stay below lock.READ_SECONDS.
MEMBER_SECONDS = 3.0

Post = Callable[[str, dict[str, Any]], dict[str, Any]]


def read(post: Post, prefix: str) -> dict[str, Any]:
    """Return who holds the lock since which revision, and who could take it over."""
    keys = [_b64(f"{prefix}{name}") for name in ("leader", "sync", "config")]
    body = {"success": [{"request_range": {"key": key}} for key in keys]}
    answers = [
        row["response_range"].get("kvs", [{}])[0] for row in post("/kv/txn", body)["responses"]
    ]
    leader, sync, config = answers
    agreed, shared = (json.loads(_text(found) or "{}") for found in (sync, config))
    return {
        "holder": _text(leader),
        "revision": leader.get("mod_revision", "0"),
        "synchronous": agreed.get("leader") or "",
        "standbys": [name for name in (agreed.get("sync_standby") or "").split(",") if name],
        "paused": bool(shared.get("pause")),
    }


def release(post: Post, prefix: str, node: str, revision: str) -> bool:
    """Delete the lock if it is this node's, untouched since this revision; tell whether it was.

    A Patroni that came back would have written it again under a lease of its own (4.1.5,
    ``Etcd3._update_leader``), before PostgreSQL takes a write.
    """
    key = _b64(f"{prefix}leader")
    compare = [
        {"key": key, "target": "VALUE", "value": _b64(node)},
        {"key": key, "target": "MOD", "mod_revision": revision},
    ]
    body = {"compare": compare, "success": [{"request_delete_range": {"key": key}}]}
    return bool(post("/kv/txn", body).get("succeeded"))


def member(configuration: dict[str, Any], host: str) -> Post:
    """Log in to one member as Patroni does and return the way to ask it.

    Raises:
        OSError, http.client.HTTPException, ValueError: when it does not answer, or refuses.
    """
    tls = ssl.create_default_context(cafile=configuration["cacert"])
    tls.load_cert_chain(configuration["cert"], configuration["key"])
    name, _, port = host.rpartition(":")
    connection = http.client.HTTPSConnection(name, int(port), timeout=MEMBER_SECONDS, context=tls)
    headers: dict[str, str] = {}

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        connection.request("POST", f"/v3{path}", json.dumps(body), headers)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != http.client.OK:
            raise ValueError(f"{name} : {answer.get('message', answer)}")
        return answer

    login = {"name": configuration["username"], "password": configuration["password"]}
    headers["Authorization"] = post("/auth/authenticate", login)["token"]
    return post


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _text(found: dict[str, Any]) -> str:
    return base64.b64decode(found.get("value", "")).decode()


def main() -> None:
    """Talk with the first member that answers; exit code 1 with every reason when none does."""
    everything = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    prefix = f"{everything['namespace']}{everything['scope']}/"
    reasons = []
    for host in everything["etcd3"]["hosts"]:
        try:
            post = member(everything["etcd3"], host)
            found = read(post, prefix)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reasons.append(str(error) or type(error).__name__)
            continue
        print(json.dumps(found), flush=True)
        if order := sys.stdin.readline().split():
            print(json.dumps(release(post, prefix, *order)), flush=True)
        return
    sys.exit(" ; ".join(reasons))


if __name__ == "__main__":
    main()
