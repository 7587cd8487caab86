"""What the engine says of a container, against what it must be: pure rules over its JSON.

Each yields what is wrong, in French, and nothing when all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from citadelle.audit.rights import Expected

Inspect = dict[str, Any]
Rule = Callable[[Expected, Inspect], Iterator[str]]

SOCKETS = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
# Options that switch a protection off: docker run manual, « Security configuration ».
LOOSENED = ("unconfined", "label=disable", "label:disable")
# Paths and locale: what images define, none of it secret (docker/Dockerfile).
VARIABLES = {"PATH", "LANG", "DEBIAN_FRONTEND"}
LABELS = ("fr.citadelle.", "com.docker.compose.")


def account(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield an account that is not the listed one, or a group that was added."""
    if (user := found["Config"]["User"]) != expected.rights.account:
        yield f"compte « {user} » au lieu de « {expected.rights.account} »"
    if groups := found["HostConfig"]["GroupAdd"]:
        yield f"groupes ajoutés : {', '.join(groups)}"


def added_capabilities(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield capabilities that are not dropped, or not those of the table."""
    host = found["HostConfig"]
    if [name.upper() for name in host["CapDrop"] or []] != ["ALL"]:
        yield "les capacités par défaut ne sont pas toutes retirées"
    # Newer engines write CAP_NET_RAW for NET_RAW.
    added = {name.upper().removeprefix("CAP_") for name in host["CapAdd"] or []}
    if added != expected.rights.added:
        yield f"capacités ajoutées : {_words(added)} au lieu de {_words(expected.rights.added)}"


def privilege(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield a privileged container, or one whose processes may gain privileges."""
    if found["HostConfig"]["Privileged"]:
        yield "conteneur privilégié"
    options = found["HostConfig"]["SecurityOpt"] or []
    if not {"no-new-privileges", "no-new-privileges:true"} & set(options):
        yield "no-new-privileges absent"


def protections(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield a protection of the engine that was switched off."""
    host = found["HostConfig"]
    for option in host["SecurityOpt"] or []:
        if option.endswith(LOOSENED):
            yield f"protection retirée : {option}"
    for key in ("MaskedPaths", "ReadonlyPaths"):
        if not host[key]:
            yield f"{key} vide : /proc est ouvert"


def root_file_system(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield a root that can be written."""
    if not found["HostConfig"]["ReadonlyRootfs"]:
        yield "racine inscriptible"


def limits(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield what is not bounded: memory in bytes, number of processes."""
    for key, what in (("Memory", "mémoire"), ("PidsLimit", "processus")):
        if (found["HostConfig"][key] or 0) <= 0:
            yield f"{what} sans limite"
    if found["HostConfig"]["OomKillDisable"]:
        yield "le noyau ne peut pas le tuer s'il dépasse sa mémoire"


def engine_socket(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield a socket that commands an engine: it makes the container root of the machine."""
    host = found["HostConfig"]
    sources = [*(host["Binds"] or []), *(m["Source"] for m in found["Mounts"])]
    sources += [m["Source"] for m in host.get("Mounts") or [] if m.get("Source")]
    for source in sources:
        if any(socket in source for socket in SOCKETS):
            yield f"socket du moteur montée : {source}"


def namespaces(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield a namespace of the machine, or of a container that is not of the same pod.

    ``NetworkMode`` names the container whose network is shared (see containers.named).
    """
    host = found["HostConfig"]
    for key in ("PidMode", "IpcMode", "UTSMode", "UsernsMode"):
        if host[key] == "host" or host[key].startswith("container:"):
            yield f"{key} = {host[key]}"
    mode = host["NetworkMode"]
    if expected.pod and mode != f"container:{expected.pod}":
        yield f"réseau {mode} au lieu de celui de {expected.pod}"
    if not expected.pod and (
        mode in ("host", "bridge", "default") or mode.startswith("container:")
    ):
        yield f"réseau {mode}"


def devices(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield a device of the machine."""
    for key in ("Devices", "DeviceCgroupRules", "DeviceRequests"):
        if found["HostConfig"][key]:
            yield f"{key} : {len(found['HostConfig'][key])}"


def mounts(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield a mount that is not one of the container's own volumes, or not mounted as it must."""
    host = found["HostConfig"]
    if host["Binds"] or host["VolumesFrom"]:
        yield "répertoire de la machine ou volumes d'un autre conteneur montés"
    for mount in found["Mounts"]:
        if mount["Type"] not in ("volume", "tmpfs"):
            yield f"{mount['Type']} {mount['Source']} monté sur {mount['Destination']}"
    volumes = {
        (m["Name"], m["Destination"], m["RW"]) for m in found["Mounts"] if m["Type"] == "volume"
    }
    for name, place, writable in sorted(volumes ^ expected.mounts):
        state = "en trop" if (name, place, writable) in volumes else "manque"
        yield f"volume {state} : {name} sur {place} ({'rw' if writable else 'ro'})"
    if (found_tmpfs := set(host.get("Tmpfs") or {})) != expected.rights.tmpfs:
        yield f"tmpfs : {_words(found_tmpfs)} au lieu de {_words(expected.rights.tmpfs)}"


def networks(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield a network that the container must not be on, or misses."""
    cluster = found["Config"]["Labels"].get("fr.citadelle.cluster", "")
    attached = {n.removeprefix(f"{cluster}_") for n in found["NetworkSettings"]["Networks"]}
    shared = found["HostConfig"]["NetworkMode"].startswith("container:")
    if (attached if not shared else set()) != expected.networks:
        yield f"réseaux : {_words(attached)} au lieu de {_words(expected.networks)}"


def ports(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield a published port that .env does not ask for, or not on that address."""
    if found["HostConfig"]["PublishAllPorts"]:
        yield "tous les ports de l'image sont publiés"
    for where in (found["HostConfig"]["PortBindings"], found["NetworkSettings"]["Ports"]):
        published = {
            (key, binding["HostIp"], binding["HostPort"])
            for key, bindings in (where or {}).items()
            for binding in bindings or []
        }
        wanted = {(f"{port}/tcp", host, str(at)) for port, host, at in expected.ports}
        for key, host, at in sorted(published ^ wanted):
            state = "en trop" if (key, host, at) in published else "manque"
            yield f"port publié {state} : {host or 'toutes les adresses'}:{at} vers {key}"


def lasting(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield a container that would stay down, or whose health nobody asks."""
    if (policy := found["HostConfig"]["RestartPolicy"]["Name"]) != "unless-stopped":
        yield f"politique de redémarrage « {policy} »"
    test = (found["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    if expected.rights.health and test[0] == "NONE":
        yield "aucun contrôle de santé"


def logging(_: Expected, found: Inspect) -> Iterator[str]:
    """Yield a log that could fill the machine's disk."""
    log = found["HostConfig"]["LogConfig"]
    if log["Type"] not in ("json-file", "local") or not (log["Config"] or {}).get("max-size"):
        yield f"journal sans borne ({log['Type']})"


def image(expected: Expected, found: Inspect) -> Iterator[str]:
    """Yield an image that is not today's, or a variable or label that nobody listed."""
    if (name := found["Config"]["Image"]) != expected.image:
        yield f"image {name} au lieu de {expected.image}"
    yield from described(found)


def described(found: Inspect) -> Iterator[str]:
    """Yield an unlisted variable or label of a container or an image; the name, not the value."""
    for variable in found["Config"]["Env"] or []:
        if (name := variable.partition("=")[0]) not in VARIABLES:
            yield f"variable d'environnement inattendue : {name}"
    for label in found["Config"]["Labels"] or {}:
        if not label.startswith(LABELS):
            yield f"étiquette inattendue : {label}"


def _words(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "aucun"
