"""etcd's quorum from the one member that is left: its data kept, the others forgotten.

``force-new-cluster`` (etcd operations guide, « Disaster recovery ») makes the member the only
one, in a start without any network that ends by itself; users, roles and keys stay. The members
that it forgets are written down as removed for good: whoever of them comes back is told so by the
first exchange (HTTP 410) and stops, before it could elect anybody. That is what keeps a lost
site that comes back from having a primary of its own.

The same start on a copy in memory is the rehearsal: it tells beforehand whether it will work, and
what the member knows, which nobody can ask while there is no quorum (a login needs one).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import yaml

from citadelle import engine, pki, render
from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd, EtcdError, prefix, range_of
from citadelle.progress import wait_until
from citadelle.topology import CONTAINERS, UID, Role, Topology
from citadelle.workspace import Home, origin

# Reading the WAL and an election alone: some seconds on two slow cores.
ONCE_SECONDS = 60
# With the copy before it, the questions and the end.
RUN_SECONDS = 120
# A restart on data that is its own.
SINGLE_SECONDS = 60
# The data twice over (the copy and etcd's own WAL files of 64 Mio each).
COPY_SIZE = "1g"

# Standard input: one line with the login (JSON), one with the question (JSON), then etcd's
# configuration. Prints one JSON line per answer: without a login, the login, members, users,
# roles, keys. A token is in a file, never in the arguments.
SCRIPT = """
set -eu
umask 077
port=$1 left=$2
IFS= read -r login; printf %s "$login" > /tmp/login
IFS= read -r question; printf %s "$question" > /tmp/question
cat > /tmp/etcd.yml
: > /tmp/token
if [ -d /source ]; then cp -R /source/etcd /tmp/data; fi
etcd --config-file=/tmp/etcd.yml 2> /tmp/log & pid=$!
ask() {
  curl --silent --max-time 5 --cacert /etc/citadelle/tls/ca-dcs-client.crt \\
    --cert /etc/citadelle/tls/dcs-server.crt --key /etc/citadelle/tls/dcs-server.key \\
    --header @/tmp/token "$@"
}
end=$(($(date +%s) + left))
until ask "https://localhost:$port/health" | grep -q '"health":"true"'; do
  if [ "$(date +%s)" -ge "$end" ] || ! kill -0 "$pid" 2> /dev/null; then
    tail -n 4 /tmp/log >&2; exit 1
  fi
  sleep 1
done
call() { ask --data "$2" "https://localhost:$port/v3$1"; echo; }
call /auth/user/list '{}'
call /auth/authenticate @/tmp/login | tee /tmp/answer
sed -n 's/.*"token":"\\([^"]*\\)".*/Authorization: \\1/p' /tmp/answer > /tmp/token
call /cluster/member/list '{}'
call /auth/user/list '{}'
call /auth/role/list '{}'
call /kv/range @/tmp/question
kill "$pid"
wait "$pid" || true  # its status is the signal just sent
"""


@dataclass(frozen=True)
class Past:
    """What one member holds of the cluster that it was part of.

    ``optime`` is the primary's last WAL position that Patroni wrote down, in bytes.
    """

    members: tuple[str, ...]
    users: frozenset[str]
    roles: frozenset[str]
    open_to_all: bool
    leader: str
    optime: int | None


def rehearse(topology: Topology, home: Home, node: str) -> Past:
    """Recreate the quorum on a copy in memory and return what it knows; nothing is changed.

    Raises:
        CitadelleError: when the member's data do not make a quorum.
    """
    return _past(topology, _once(topology, home, node, copy=True))


def recreate(topology: Topology, home: Home, node: str) -> Past:
    """Make the member the only one of its quorum, and start it again; return what it knows.

    Raises:
        CitadelleError: when it does not come up, or lost its authentication.
    """
    engine.docker("stop", "--time=30", _container(topology, node), seconds=60)
    found = _past(topology, _once(topology, home, node, copy=False))
    engine.docker("start", _container(topology, node))
    wait_until(
        lambda: None if alone(topology, home, node) else "pas de chef, ou d'autres membres",
        f"{node} seul membre du quorum",
        SINGLE_SECONDS,
        f"Voir « invoke logs --node {node} ».",
    )
    _still_closed(topology, home, node)
    return found


def alone(topology: Topology, home: Home, node: str) -> bool:
    """Tell whether the member leads a quorum of which it is the only one."""
    client = Etcd(topology, home, (node,))
    if not client.member(node).leader:
        return False
    try:
        client.login("root", topology.settings.etcd_root_password.reveal())
        names = [member["name"] for member in client.call("/cluster/member/list", {})["members"]]
    except CitadelleError:
        return False
    return names == [node]


def _still_closed(topology: Topology, home: Home, node: str) -> None:
    """Raise CitadelleError when somebody without a login gets an answer."""
    client = Etcd(topology, home, (node,))
    try:
        client.call("/kv/range", range_of(prefix(topology)))
    except EtcdError:
        return
    raise CitadelleError(
        f"{node} répond sans authentification : rien n'est promu. Voir docs/deux-centres.md."
    )


def problems(past: Past, node: str) -> list[str]:
    """Return what is wrong with a recreated quorum, in French."""
    found = []
    if past.members != (node,):
        found.append(f"membres du quorum : {', '.join(past.members)}")
    if past.open_to_all:
        found.append("l'authentification d'etcd est éteinte")
    if missing := {"root", "patroni"} - past.users:
        found.append(f"utilisateurs d'etcd absents : {', '.join(sorted(missing))}")
    if missing := {"root", "patroni"} - past.roles:
        found.append(f"rôles d'etcd absents : {', '.join(sorted(missing))}")
    return found


def configuration(topology: Topology, home: Home, node: str, *, copy: bool) -> dict[str, Any]:
    """Return the member's own configuration, but for what the one start needs."""
    container = next(c for c in CONTAINERS if c.name == node and c.role is Role.ETCD)
    texts = render.files(topology, container, pki.fingerprint(home))
    found: dict[str, Any] = yaml.safe_load(texts["etcd.yml"])
    s = topology.settings
    # Loopback: without a network, its own address does not exist.
    found["listen-peer-urls"] = f"https://127.0.0.1:{s.etcd_peer_port}"
    found["listen-client-urls"] = f"https://127.0.0.1:{s.etcd_client_port}"
    found["force-new-cluster"] = True
    if copy:
        found["data-dir"] = "/tmp/data"  # noqa: S108  # the container's own, in memory
    return found


def _once(topology: Topology, home: Home, node: str, *, copy: bool) -> list[dict[str, Any]]:
    """Start the member alone, ask it, end it; return its answers in the order of SCRIPT."""
    s = topology.settings
    name = f"{_container(topology, node)}-{'copie' if copy else 'reprise'}"
    _remove(name)
    login = {"name": "root", "password": s.etcd_root_password.reveal()}
    question = range_of(prefix(topology))
    parts = (login, question, configuration(topology, home, node, copy=copy))
    text = "\n".join(json.dumps(part) for part in parts)
    argv = [*_argv(topology, home, node, copy=copy), f"--name={name}", "--entrypoint=sh"]
    argv += [_image(topology, node), "-c", SCRIPT, "sh", str(s.etcd_client_port)]
    try:
        said = engine.docker(*argv, str(ONCE_SECONDS), stdin=text.encode(), seconds=RUN_SECONDS)
    finally:
        _remove(name)
    return [json.loads(line) for line in said.splitlines() if line.strip()]


def _argv(topology: Topology, home: Home, node: str, *, copy: bool) -> list[str]:
    cluster, uid = topology.settings.cluster_name, UID[Role.ETCD]
    data = "/source:ro" if copy else "/var/lib/citadelle"
    source = f"{cluster}_data-{node}:{data}"
    labels = {"cluster": cluster, "ca": pki.fingerprint(home), "origin": origin()}
    return [
        "run",
        "--rm",
        "--interactive",
        "--network=none",
        "--read-only",
        f"--user={uid}:{uid}",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true",
        f"--tmpfs=/tmp:mode=0700,uid={uid},gid={uid},size={COPY_SIZE}",
        *(f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()),
        f"--volume={cluster}_conf-{node}:/etc/citadelle:ro",
        f"--volume={source}",
    ]


def _past(topology: Topology, answers: list[dict[str, Any]]) -> Past:
    unknown, _login, members, users, roles, keys = answers
    values = {
        base64.b64decode(row["key"]).decode().removeprefix(prefix(topology)): base64.b64decode(
            row.get("value", "")
        ).decode()
        for row in keys.get("kvs", [])
    }
    return Past(
        members=tuple(sorted(member["name"] for member in members["members"])),
        users=frozenset(users.get("users", [])),
        roles=frozenset(roles.get("roles", [])),
        open_to_all="users" in unknown,
        leader=values.get("leader", ""),
        optime=_optime(values.get("status", "")),
    )


def _optime(status: str) -> int | None:
    """Return the position in Patroni's ``/status`` key; None when it is not there."""
    try:
        return int(json.loads(status)["optime"])
    except (ValueError, KeyError, TypeError):
        return None


def _remove(name: str) -> None:
    """Remove what an interrupted start left; it may still hold the data."""
    if engine.docker("container", "ls", "--all", "--quiet", f"--filter=name=^{name}$").strip():
        engine.docker("container", "rm", "--force", name)


def _container(topology: Topology, node: str) -> str:
    return f"{topology.settings.cluster_name}-{node}"


def _image(topology: Topology, node: str) -> str:
    found: str = engine.inspect("container", _container(topology, node))[0]["Image"]
    return found
