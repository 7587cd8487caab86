"""HAProxy, on the load balancers and in the pods' gateways."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import httpx

from citadelle import clients, engine
from citadelle.audit import versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.probes import answer_in_clear, startup
from citadelle.audit.reads import container, everywhere, inside, inside_command, judged
from citadelle.errors import CitadelleError
from citadelle.topology import GATEWAYS, HAPROXY

Faults = Callable[[str], Iterable[str]]
ALL = (*HAPROXY, *GATEWAYS)
FILE = "/etc/citadelle/haproxy.cfg"
SOCKET = "/run/haproxy/stats.sock"
# SHA-512 crypt (crypt(5)): what a stolen configuration gives is not a password.
HASHED = re.compile(r"user \S+ password \$6\$")
SERVER = "server"
DEFAULTS = ("ssl-default-bind-options", "ssl-default-server-options")
MINIMUM = "ssl-min-ver TLSv1.3"
# What a single line (bind, server, default-server) may say of versions; it wins over the two above
# (configuration manual, 5.1 and 5.2).
VERSIONS = re.compile(r"(?<!\S)(ssl-(?:min|max)-ver \S+|no-tlsv13|force-(?:ssl|tls)v\d+)(?!\S)")
ON_THIS_MACHINE = ("unix@", "abns@", "127.0.0.1:")


def _lines(cluster: Cluster, name: str) -> list[str]:
    """Return the configuration file, comments aside; `_unread` says whether it is in force."""
    text = inside(cluster, name, "cat", FILE)
    found = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in found if line]


def _unread(cluster: Cluster, name: str) -> Iterator[str]:
    """Yield a fault when the file changed after the process that serves had read it.

    HAProxy's master replaces its worker at a reload, and keeps the old one when the new file is
    wrong (management guide, 4): the socket is the worker's, its start is when it read the file.
    Both times are the kernel's, in whole seconds.
    """
    changed = int(inside(cluster, name, "stat", "--format=%Z", FILE))
    said = inside(cluster, name, "sh", "-c", f"echo show info | socat - {SOCKET}")
    started = re.search(r"^Start_time_sec: (\d+)$", said, re.MULTILINE)
    if started is None:
        raise CitadelleError(f"{name} : HAProxy ne dit pas quand il a démarré")
    if changed > int(started.group(1)):
        yield "haproxy.cfg a changé depuis que le processus l'a lu (« invoke restart »)"


def _in_file(cluster: Cluster, faults: Faults, good: str, words: str) -> Finding:
    """Judge every file by its lines; they only count when they are those in force."""
    found = everywhere(ALL, lambda name: [*_unread(cluster, name), *faults(name)])
    command = inside_command(cluster, ALL[0], "grep", "--extended-regexp", words, FILE)
    return judged(found, f"{', '.join(ALL)} : {good}", command)


def _proven(cluster: Cluster) -> Finding:
    admin = f":{cluster.topology.settings.haproxy_admin_port}"

    def faults(name: str) -> Iterator[str]:
        # The administration page's visitors are people, with a password.
        lines = [line for line in _speaking_tls(cluster, name) if not _place(line).endswith(admin)]
        for line in lines:
            server = line.split()[0] == SERVER
            if "verify required" not in line or (server and "verifyhost" not in line):
                yield f"pair non vérifié : {line}"
        if not lines:
            yield "aucune ligne « ssl » dans haproxy.cfg"

    good = "verify required partout, verifyhost vers les serveurs"
    return _in_file(cluster, faults, good, "^ *(bind|server)")


def _speaking_tls(cluster: Cluster, name: str) -> list[str]:
    lines = (line for line in _lines(cluster, name) if line.split()[0] in ("bind", SERVER))
    return [line for line in lines if "ssl" in line.split()]


def _place(line: str) -> str:
    """Return a bind's address, a server's name."""
    return [*line.split(), ""][1]


def _encrypted(cluster: Cluster) -> Finding:
    def faults(name: str) -> Iterator[str]:
        servers = [words for line in _lines(cluster, name) if (words := line.split())[0] == SERVER]
        for words in servers:
            outside = not [*words, "", ""][2].startswith(ON_THIS_MACHINE)
            if outside and "ssl" not in words:
                yield f"en clair sur le réseau : {' '.join(words)}"
        if not servers:
            yield "aucune ligne « server » dans haproxy.cfg"

    return _in_file(cluster, faults, "tout serveur hors de la machine est en TLS", "^ *server")


def _minimum(cluster: Cluster) -> Finding:
    def faults(name: str) -> Iterator[str]:
        lines = _lines(cluster, name)
        for option in DEFAULTS:
            if not any(line.startswith(f"{option} ") and MINIMUM in line for line in lines):
                yield f"{option} sans « {MINIMUM} »"
        yield from (f"exception : {line}" for line in lines if _other_versions(line))

    good = f"{MINIMUM} dans les deux sens, aucune ligne n'en dit une autre"
    return _in_file(cluster, faults, good, "ssl-m(in|ax)-ver|no-tlsv|force-")


def _other_versions(line: str) -> list[str]:
    """Return what a line says of TLS versions besides the two lines that hold for all."""
    allowed = (MINIMUM,) if line.startswith(DEFAULTS) else ()
    return [words for words in VERSIONS.findall(line) if words not in allowed]


def _stats_socket(cluster: Cluster) -> Finding:
    def faults(name: str) -> Iterator[str]:
        # An order that level "user" refuses and that would change nothing.
        argv = (container(cluster, name), "socat", "-", SOCKET)
        said = engine.execute(*argv, stdin=b"show env\n").strip()
        if said != "Permission denied":
            yield "la socket de pilotage obéit au-delà de la lecture"
        mode = inside(cluster, name, "stat", "--format=%a", SOCKET).strip()
        if mode != "600":
            yield f"{SOCKET} en mode {mode}"

    good = f"{', '.join(ALL)} : mode 600 ; « show env » : Permission denied"
    argv = ("sh", "-c", f"echo show env | socat - {SOCKET}")
    return judged(everywhere(ALL, faults), good, inside_command(cluster, ALL[0], *argv))


def _admin_page(cluster: Cluster) -> Finding:
    s = cluster.topology.settings
    tls = clients.context(cluster.home, "admin", None)
    right = (s.haproxy_admin_user, s.haproxy_admin_password.reveal())
    # Without a proof; with one, any method that could change something.
    tries = (
        ("GET", None, httpx.codes.UNAUTHORIZED),
        ("POST", right, httpx.codes.METHOD_NOT_ALLOWED),
    )

    def faults(node: str) -> Iterator[str]:
        point = cluster.topology.endpoint("admin", node)
        for method, auth, wanted in tries:
            found = clients.request(
                tls, method, point.host, point.port, "/", server_name=node, auth=auth
            ).status_code
            if found != wanted:
                who = "avec" if auth else "sans"
                yield f"{method} {who} mot de passe : {found} (attendu : {wanted.value})"
        if not any(map(HASHED.match, _lines(cluster, node))):
            yield "mot de passe non haché dans la configuration"

    point = cluster.topology.endpoint("admin", HAPROXY[0])
    ca = (cluster.home.pki / "admin" / "ca.crt").relative_to(cluster.home.path)
    good = "sans mot de passe : 401 ; POST avec : 405 ; mot de passe haché (SHA-512)"
    command = f"curl --include --cacert {ca} https://{point.host}:{point.port}/"
    return judged(everywhere(HAPROXY, faults), good, command)


def _door(cluster: Cluster) -> Finding:
    s = cluster.topology.settings
    packet = startup(s.app_user, s.app_database)

    def faults(node: str) -> Iterator[str]:
        for service in ("rw", "ro"):
            point = cluster.topology.endpoint(service, node)
            if answer_in_clear(point.host, point.port, packet):
                yield f"{service} : réponse à un démarrage en clair"

    point = cluster.topology.endpoint("rw", HAPROXY[0])
    good = f"{', '.join(HAPROXY)} : un démarrage sans TLS est coupé sans réponse"
    command = f"psql 'host={point.host} port={point.port} user={s.app_user} sslmode=disable'"
    return judged(everywhere(HAPROXY, faults), good, command)


def _version(cluster: Cluster) -> Finding:
    def faults(name: str) -> Iterator[str]:
        said = inside(cluster, name, "haproxy", "-v")
        end = re.search(r"stop receiving fixes around Q\d (\d{4})", said)
        if "long-term supported" not in said or not end:
            yield "branche qui n'est pas suivie à long terme"
        elif int(end.group(1)) < datetime.now(UTC).year:
            yield f"branche abandonnée en {end.group(1)}"

    said = next(iter(versions.said(cluster, "HAProxy").values()))
    good = f"{said.split(' - ')[0]} : branche suivie à long terme, encore corrigée"
    return judged(everywhere(ALL, faults), good, inside_command(cluster, ALL[0], "haproxy", "-v"))


CONTROLS = (
    Control("HA-01", "Chaque pair prouve son nom par un certificat", (), _proven),
    Control("HA-02", "Rien en clair vers une autre machine", (), _encrypted),
    Control("HA-03", "TLS 1.3 seulement, dans les deux sens", (), _minimum),
    Control("HA-04", "La socket de pilotage ne fait que lire", (), _stats_socket),
    Control("HA-05", "Page d'administration fermée et en lecture seule", (), _admin_page),
    Control("HA-06", "Un démarrage en clair s'arrête à la porte", (), _door),
    Control("HA-07", "Branche d'HAProxy encore corrigée", (), _version),
)
