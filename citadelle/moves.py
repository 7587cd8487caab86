"""A running cluster whose ports change: what each component remembers elsewhere than in files.

etcd keeps its members' peer addresses in its own data; a new ETCD_PEER_PORT must be told to the
old quorum before the members restart on it (etcd operations guide, « Update advertise peer
URLs »). Everything else follows from the delivered files.
"""

from __future__ import annotations

import dataclasses

from citadelle import compose, engine, etcd, pki
from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home


def old_etcd(topology: Topology, home: Home) -> Topology | None:
    """Return the topology under which etcd last ran, if its peer port was another one."""
    values = compose.read_env(home.compose_env)
    same_cluster = values.get("CLUSTER_NAME") == topology.settings.cluster_name and values.get(
        "CA_FINGERPRINT"
    ) == pki.fingerprint(home)
    peer, client = values.get("ETCD_PEER_PORT"), values.get("ETCD_CLIENT_PORT")
    if not (same_cluster and peer and client) or int(peer) == topology.settings.etcd_peer_port:
        return None
    settings = dataclasses.replace(
        topology.settings, etcd_client_port=int(client), etcd_peer_port=int(peer)
    )
    return Topology(settings)


def move_peers(old: Topology, topology: Topology, home: Home) -> None:
    """Tell the quorum, still on its old ports, where its members will be."""
    up = ("up", "--detach", "--no-build", *ETCD)
    engine.docker(*compose.command(home.compose_env, *up))
    etcd.wait_quorum(old, home)
    client = etcd.Etcd(old, home)
    client.login("root", topology.settings.etcd_root_password.reveal())
    port = topology.settings.etcd_peer_port
    for member in client.call("/cluster/member/list", {})["members"]:
        urls = [f"https://{member['name']}:{port}"]
        if member["peerURLs"] != urls:
            client.call("/cluster/member/update", {"ID": member["ID"], "peerURLs": urls})
