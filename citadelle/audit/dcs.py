"""etcd: who may speak to it, as whom, and what each may touch."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from citadelle import clients, etcd
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import everywhere, judged, once
from citadelle.etcd import PATRONI_ROLE, PATRONI_USER, Etcd, EtcdError
from citadelle.topology import ETCD

MANUAL = "Manuel etcd 3.5, Role-based access control"


@once
def _session(cluster: Cluster, user: str) -> Etcd:
    s = cluster.topology.settings
    secret = s.etcd_root_password if user == "root" else s.etcd_patroni_password
    found = Etcd(cluster.topology, cluster.home)
    found.login(user, secret.reveal())
    return found


def _command(arguments: str, user: str = "root") -> str:
    """The operator's own tool gives the password to etcdctl, outside of its command line."""
    return f'invoke etcdctl --user {user} --arguments "{arguments}"'


def _refused(call: functools.partial[dict[str, Any]]) -> str:
    """Return etcd's own reason, empty when it answers."""
    try:
        call()
    except EtcdError as error:
        return str(error)
    return ""


def _authentication(cluster: Cluster) -> Finding:
    stranger = Etcd(cluster.topology, cluster.home)
    body = etcd.range_of(etcd.prefix(cluster.topology))
    said = _refused(functools.partial(stranger.call, "/kv/range", body))
    faults = [] if "user name is empty" in said else [f"lecture sans mot de passe : {said or 'OK'}"]
    good = f"lecture avec un certificat, sans mot de passe : refus (« {said} »)"
    return judged(faults, good, _command("auth status"))


def _users(cluster: Cluster) -> Finding:
    call = _session(cluster, "root").call
    wanted = {"root": ["root"], PATRONI_USER: [PATRONI_ROLE]}
    names = call("/auth/user/list", {}).get("users", [])
    found = {name: call("/auth/user/get", {"name": name}).get("roles", []) for name in names}
    faults = [f"utilisateurs et rôles : {found}"] if found != wanted else []
    good = "deux utilisateurs, root et patroni, un rôle chacun"
    return judged(faults, good, _command("user list"))


def _role(cluster: Cluster) -> Finding:
    prefix = etcd.prefix(cluster.topology)
    granted = _session(cluster, "root").call("/auth/role/get", {"role": PATRONI_ROLE}).get("perm")
    wanted = [etcd.range_of(prefix) | {"permType": "READWRITE"}]
    faults = [f"droits du rôle {PATRONI_ROLE} : {granted}"] if granted != wanted else []
    good = f"une seule plage, lecture et écriture : {prefix} (barre finale comprise)"
    return judged(faults, good, _command(f"role get {PATRONI_ROLE}"))


def _outside(cluster: Cluster) -> Finding:
    call = _session(cluster, PATRONI_USER).call
    scope = cluster.topology.settings.cluster_name
    places: dict[str, dict[str, object]] = {
        f"/service/{scope}2/": etcd.range_of(f"/service/{scope}2/"),
        "toutes les clés": {"key": "AA==", "range_end": "AA=="},
    }
    tries = {name: ("/kv/range", body) for name, body in places.items()}
    tries["liste des utilisateurs"] = ("/auth/user/list", {})

    def faults() -> Iterator[str]:
        for name, (path, body) in tries.items():
            said = _refused(functools.partial(call, path, body))
            if "permission denied" not in said:
                yield f"{PATRONI_USER} lit {name} : {said or 'accordé'}"

    good = f"{', '.join(tries)} : « permission denied »"
    return judged(faults(), good, _command("get --prefix / --keys-only", PATRONI_USER))


def _profiler(cluster: Cluster) -> Finding:
    tls = clients.context(cluster.home, "dcs-client")
    port = cluster.topology.settings.etcd_client_port

    def faults(node: str) -> Iterator[str]:
        address = cluster.topology.address(node, "dcs")
        answer = clients.request(tls, "GET", address, port, "/debug/pprof/", server_name=node)
        if answer.status_code != 404:  # noqa: PLR2004  # HTTP
            yield f"/debug/pprof/ : {answer.status_code}"

    folder = (cluster.home.pki / "dcs-client").relative_to(cluster.home.path)
    command = (
        f"curl --resolve {ETCD[0]}:{port}:{cluster.topology.address(ETCD[0], 'dcs')} "
        f"--cacert {folder}/ca.crt --cert {folder}/operator.crt --key {folder}/operator.key "
        f"https://{ETCD[0]}:{port}/debug/pprof/"
    )
    return judged(everywhere(ETCD, faults), "/debug/pprof/ : 404", command)


CONTROLS = (
    Control("ET-01", "Un certificat seul ne donne rien", (MANUAL,), _authentication),
    Control("ET-02", "Deux utilisateurs, un rôle chacun", (MANUAL,), _users),
    Control("ET-03", "Le rôle de Patroni se limite à son préfixe", (MANUAL,), _role),
    Control("ET-04", "Patroni ne lit ni n'administre rien d'autre", (MANUAL,), _outside),
    Control("ET-05", "Pas de profileur", (), _profiler),
)
