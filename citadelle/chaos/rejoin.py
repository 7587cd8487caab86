"""An etcd member that lost its data: wiped, then back in the quorum, authentication on.

A member without data that starts with ``initial-cluster-state: new`` is refused by the others
(« has already been bootstrapped »): the quorum must forget it, expect a new one at the same
address, and the member must start once with ``existing`` (etcd operations guide, « Replace a
failed member »). The quorum's authentication comes back to it with the data.
"""

from __future__ import annotations

from citadelle import engine
from citadelle.chaos import containers, volumes
from citadelle.chaos.fault import Field
from citadelle.etcd import Etcd
from citadelle.progress import wait_until
from citadelle.topology import UID, Role

# Relative to the volume: `data-dir` of config/etcd/etcd.yml.j2 without its mount point. A member
# without WAL starts as a new one, whatever else it left there (server/etcdserver/bootstrap.go).
DATA = "etcd"
WAL = f"{DATA}/member/wal"
# A snapshot of a few Mio over a local network.
MEMBER_SECONDS = 60
# The delivered file is 0400 in a directory 0500; sed writes a new one beside it, same owner.
STATE = 'sed -i "s/^initial-cluster-state: .*/initial-cluster-state: $1/" /volume/etcd.yml'
RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")


def wipe(field: Field, node: str) -> None:
    """Kill a member and delete its data."""
    containers.kill(field, node)
    field.wiped.add(node)
    volumes.wipe(field, node, DATA, UID[Role.ETCD])


def rejoin(field: Field) -> None:
    """Bring back every member that was wiped; one that has data is only started."""
    for node in sorted(field.wiped):
        if volumes.content(field, node, WAL, UID[Role.ETCD]):
            _state(field, node, "new")
            containers.revive(field)
        else:
            _replace(field, node)


def _replace(field: Field, node: str) -> None:
    client = Etcd(field.topology, field.home)
    client.login("root", field.topology.settings.etcd_root_password.reveal())
    url = f"https://{node}:{field.topology.settings.etcd_peer_port}"
    # Stopped by hand: one that restarts in a loop would come back between two steps.
    containers.stop(field, node)
    volumes.wipe(field, node, DATA, UID[Role.ETCD])
    for member in client.call("/cluster/member/list", {})["members"]:
        if member["peerURLs"] == [url]:
            client.call("/cluster/member/remove", {"ID": member["ID"]})
    client.call("/cluster/member/add", {"peerURLs": [url]})
    _state(field, node, "existing")
    engine.docker("start", field.container(node))
    wait_until(
        lambda: None if client.member(node).healthy else f"{node} muet",
        f"{node} de retour dans le quorum",
        MEMBER_SECONDS,
        f"Voir « invoke logs --node {node} ».",
    )
    _state(field, node, "new")


def _state(field: Field, node: str, word: str) -> None:
    volumes.run(field, f"conf-{node}", STATE, word, user=0, rights=RIGHTS)
