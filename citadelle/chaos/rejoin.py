"""An etcd member that lost its data: wiped, then back in the quorum, authentication on.

A member without data that starts with ``initial-cluster-state: new`` is refused by the others
(« has already been bootstrapped »): the quorum must forget it, expect a new one at the same
address, and the member must start once with ``existing`` (etcd operations guide, « Replace a
failed member »). The quorum's authentication comes back to it with the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from citadelle import engine
from citadelle.chaos import containers, volumes
from citadelle.chaos.fault import Field
from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd, EtcdError
from citadelle.progress import wait_until
from citadelle.topology import ETCD, UID, Role, Topology
from citadelle.workspace import Home

# Relative to the volume: `data-dir` of config/etcd/etcd.yml.j2 without its mount point. A member
# without WAL starts as a new one, whatever else it left there (server/etcdserver/bootstrap.go).
DATA = "etcd"
WAL = f"{DATA}/member/wal"
LEARNER = "etcd_server_is_learner"
# A snapshot of a few Mio over a local network.
MEMBER_SECONDS = 60
LOGIN_SECONDS = 30
# The delivered file is 0400 in a directory 0500; sed writes a new one beside it, same owner.
# A member that joins must list those that are there, and no others (etcd: « member count is
# unequal »).
STATE = """
sed -i -e "s/^initial-cluster-state: .*/initial-cluster-state: $1/" \\
  -e "s|^initial-cluster: .*|initial-cluster: $2|" /volume/etcd.yml
"""
RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")


def wipe(field: Field, node: str) -> None:
    """Kill a member and delete its data."""
    containers.kill(field, node)
    field.wiped.add(node)
    volumes.wipe(field, node, DATA, UID[Role.ETCD])


def rejoin(field: Field) -> None:
    """Bring back every member that was wiped; one that has data and a vote is only started."""
    for node in sorted(field.wiped):
        # Not through the member itself: a learner answers, but not about members.
        others = [other for other in ETCD if other not in field.wiped]
        if volumes.content(field, node, WAL, UID[Role.ETCD]):
            _state(field, node, "new", ETCD)
            containers.revive(field)
            if not _learns(field, node):
                continue
        replace(field, node, root(field.topology, field.home, others))


def _learns(field: Field, node: str) -> bool:
    """Tell whether an earlier return stopped before the member got its vote."""
    client = Etcd(field.topology, field.home, (node,))

    def silent() -> str | None:
        return None if client.counter(node, LEARNER) is not None else "muet"

    wait_until(silent, node, MEMBER_SECONDS, f"Voir « invoke logs --node {node} ».")
    return client.counter(node, LEARNER) == 1


def root(topology: Topology, home: Home, through: Sequence[str]) -> Etcd:
    """Return etcd's root, asking these members; a login takes etcd a while on a busy machine."""
    client, password = Etcd(topology, home, through), topology.settings.etcd_root_password.reveal()

    def refused() -> str | None:
        try:
            client.login("root", password)
        except CitadelleError as error:
            return str(error)
        return None

    wait_until(refused, "Connexion à etcd", LOGIN_SECONDS, "Voir « invoke status ».")
    return client


def replace(field: Field, node: str, client: Etcd) -> None:
    """Wipe a member and have the quorum, through its root, take it in anew.

    First as a learner, which has no vote: a member that does not come up cannot cost the
    majority (etcd documentation, « Learner »). Done again from the start when interrupted.
    """
    topology = field.topology
    # Stopped by hand: one that restarts in a loop would come back between two steps.
    containers.stop(field, node)
    for member in members(client):
        if member["peerURLs"] == [peer_url(topology, node)]:
            _agreed(client, "/cluster/member/remove", {"ID": member["ID"]})
    # Once the quorum has let it go: until then its data may still be needed.
    volumes.wipe(field, node, DATA, UID[Role.ETCD])
    body = {"peerURLs": [peer_url(topology, node)], "isLearner": True}
    own = _agreed(client, "/cluster/member/add", body)["member"]["ID"]
    there = urls(client)
    present = [known for known in ETCD if known == node or peer_url(topology, known) in there]
    _state(field, node, "existing", present)
    engine.docker("start", field.container(node))
    wait_until(
        lambda: _unpromoted(client, own),
        f"{node} de retour dans le quorum",
        MEMBER_SECONDS,
        f"Voir « invoke logs --node {node} ».",
    )
    _state(field, node, "new", ETCD)


def _agreed(client: Etcd, path: str, body: dict[str, object]) -> dict[str, Any]:
    """Change the members, once the quorum admits it, and return its answer.

    It refuses until it has been connected to every voter for five seconds (etcd's
    strict-reconfig-check; HealthInterval in server/etcdserver/server.go).
    """
    answers: list[dict[str, Any]] = []

    def refused() -> str | None:
        try:
            answers.append(client.call(path, body))
        except EtcdError as error:
            return str(error)
        return None

    wait_until(refused, "Changement des membres d'etcd", MEMBER_SECONDS, "« invoke status ».")
    return answers[-1]


def members(client: Etcd) -> list[dict[str, Any]]:
    """Return the quorum's own list of its members, learners included."""
    found: list[dict[str, Any]] = client.call("/cluster/member/list", {})["members"]
    return found


def urls(client: Etcd) -> set[str]:
    """Return the addresses of all members, for their peers."""
    return {url for member in members(client) for url in member["peerURLs"]}


def peer_url(topology: Topology, node: str) -> str:
    """Return a member's address for its peers, as its configuration spells it."""
    return f"https://{node}:{topology.settings.etcd_peer_port}"


def _unpromoted(client: Etcd, member: str) -> str | None:
    """Give the vote to a learner; return etcd's words as long as it is not in sync."""
    try:
        client.call("/cluster/member/promote", {"ID": member})
    except EtcdError as error:
        return str(error)
    return None


def _state(field: Field, node: str, word: str, present: Sequence[str]) -> None:
    peers = ",".join(f"{name}={peer_url(field.topology, name)}" for name in present)
    volumes.run(field, f"conf-{node}", STATE, word, peers, user=0, rights=RIGHTS)
