"""Each rule on the containers is silent on a sound one, and speaks up on a doctored one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from citadelle.audit import confinement, fleet, isolation
from citadelle.audit.confinement import Inspect, Rule
from citadelle.audit.rights import Expected, expected
from citadelle.topology import CONTAINERS, HOLDERS, NETWORKS
from tests.unit import factory

TOPOLOGY = factory.topology(BIND_ADDRESS="192.0.2.7")
ROWS = {row.name: row for row in expected(TOPOLOGY)}
RULES: tuple[Rule, ...] = (
    confinement.account,
    confinement.added_capabilities,
    confinement.privilege,
    confinement.protections,
    confinement.root_file_system,
    confinement.limits,
    confinement.engine_socket,
    confinement.namespaces,
    confinement.devices,
    confinement.mounts,
    confinement.networks,
    confinement.ports,
    confinement.lasting,
    confinement.logging,
    confinement.image,
)
every_container = pytest.mark.parametrize("name", ROWS)


def sound(row: Expected) -> Inspect:
    """Return what the engine says of a container that is as it must be."""
    cluster = TOPOLOGY.settings.cluster_name
    ports = {f"{p}/tcp": [{"HostIp": h, "HostPort": str(at)}] for p, h, at in row.ports}
    own = f"{cluster}_{sorted(row.networks)[0]}" if row.networks else ""
    return {
        "Config": {
            "User": row.rights.account,
            "Image": row.image,
            "Env": ["PATH=/usr/bin", "LANG=C.UTF-8"],
            "Labels": {"fr.citadelle.cluster": cluster},
            "Healthcheck": {"Test": ["CMD", "true"]} if row.rights.health else None,
        },
        "HostConfig": {
            "Binds": None,
            "CapAdd": sorted(row.rights.added) or None,
            "CapDrop": ["ALL"],
            "DeviceCgroupRules": None,
            "DeviceRequests": None,
            "Devices": [],
            "GroupAdd": None,
            "IpcMode": "private",
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "20m"}},
            "MaskedPaths": ["/proc/kcore"],
            "Memory": 1 << 28,
            "NetworkMode": f"container:{row.pod}" if row.pod else own,
            "OomKillDisable": False,
            "PidMode": "",
            "PidsLimit": 64,
            "PortBindings": ports,
            "Privileged": False,
            "PublishAllPorts": False,
            "ReadonlyPaths": ["/proc/sys"],
            "ReadonlyRootfs": True,
            "RestartPolicy": {"Name": "unless-stopped"},
            "SecurityOpt": ["no-new-privileges:true"],
            "Tmpfs": dict.fromkeys(row.rights.tmpfs, "mode=0700"),
            "UTSMode": "",
            "UsernsMode": "",
            "VolumesFrom": None,
        },
        "Mounts": [
            {"Type": "volume", "Name": n, "Source": f"/v/{n}", "Destination": at, "RW": rw}
            for n, at, rw in row.mounts
        ],
        "NetworkSettings": {
            "Networks": {f"{cluster}_{network}": {} for network in row.networks},
            "Ports": ports,
        },
    }


def said(row: Expected, found: Inspect) -> list[str]:
    """Return what all rules say."""
    return [fault for rule in RULES for fault in rule(row, found)]


@every_container
def test_sound_container_is_silent(name: str) -> None:
    """No rule cries wolf, whatever the role."""
    assert said(ROWS[name], sound(ROWS[name])) == []


def test_every_container_of_the_topology_has_its_row() -> None:
    """A container without rights in the table would not be checked at all."""
    assert set(ROWS) == {*(c.name for c in CONTAINERS), *HOLDERS}


BIND = {"Type": "bind", "Source": "/etc", "Destination": "/host", "RW": False, "Name": ""}
SOCKET = {**BIND, "Source": "/var/run/docker.sock"}
# Where in the JSON, what is written there, and a word of what must be said.
DOCTORED: dict[str, tuple[str, Any, str]] = {
    "privileged": ("HostConfig.Privileged", True, "privilégié"),
    "privileges to gain": ("HostConfig.SecurityOpt", [], "no-new-privileges"),
    "seccomp off": (
        "HostConfig.SecurityOpt",
        ["no-new-privileges:true", "seccomp=unconfined"],
        "seccomp=unconfined",
    ),
    "proc unmasked": ("HostConfig.MaskedPaths", [], "MaskedPaths"),
    "another account": ("Config.User", "root", "compte « root »"),
    "a group more": ("HostConfig.GroupAdd", ["docker"], "docker"),
    "capability added": ("HostConfig.CapAdd", ["SYS_ADMIN"], "SYS_ADMIN"),
    "new spelling of a capability": ("HostConfig.CapAdd", ["CAP_SYS_PTRACE"], "SYS_PTRACE"),
    "capabilities kept": ("HostConfig.CapDrop", None, "ne sont pas toutes retirées"),
    "writable root": ("HostConfig.ReadonlyRootfs", False, "racine inscriptible"),
    "no memory limit": ("HostConfig.Memory", 0, "mémoire sans limite"),
    "no process limit": ("HostConfig.PidsLimit", None, "processus sans limite"),
    "engine's socket": ("Mounts", [SOCKET], "socket du moteur montée"),
    "engine's socket as a bind": (
        "HostConfig.Binds",
        ["/run/containerd/containerd.sock:/s"],
        "socket du moteur montée",
    ),
    "directory of the machine": ("Mounts", [BIND], "bind /etc"),
    "other containers' volumes": ("HostConfig.VolumesFrom", ["autre"], "d'un autre conteneur"),
    "missing volume": ("Mounts", [], "volume manque"),
    "writable elsewhere": ("HostConfig.Tmpfs", {"/opt": ""}, "/opt"),
    "machine's network": ("HostConfig.NetworkMode", "host", "réseau host"),
    "default bridge": ("HostConfig.NetworkMode", "bridge", "réseau bridge"),
    "machine's processes": ("HostConfig.PidMode", "host", "PidMode = host"),
    "another's memory": ("HostConfig.IpcMode", "container:autre", "IpcMode"),
    "machine's name": ("HostConfig.UTSMode", "host", "UTSMode"),
    "machine's users": ("HostConfig.UsernsMode", "host", "UsernsMode"),
    "device": ("HostConfig.Devices", [{"PathOnHost": "/dev/kvm"}], "Devices : 1"),
    "graphics card": ("HostConfig.DeviceRequests", [{"Driver": "nvidia"}], "DeviceRequests"),
    "a network more": (
        "NetworkSettings.Networks",
        {"citadelle_pg": {}, "citadelle_pool": {}, "citadelle_front": {}, "bridge": {}},
        "réseaux : bridge",
    ),
    "published everywhere": (
        "HostConfig.PortBindings",
        {"5432/tcp": [{"HostIp": "", "HostPort": "5432"}]},
        "port publié en trop : toutes les adresses:5432",
    ),
    "published but not asked for": (
        "NetworkSettings.Ports",
        {"5432/tcp": [{"HostIp": "0.0.0.0", "HostPort": "5432"}]},  # noqa: S104  # the fault
        "port publié en trop : 0.0.0.0:5432",
    ),
    "not published": ("NetworkSettings.Ports", {}, "port publié manque"),
    "all ports published": ("HostConfig.PublishAllPorts", True, "tous les ports"),
    "no restart": ("HostConfig.RestartPolicy", {"Name": "no"}, "redémarrage « no »"),
    "no health check": ("Config.Healthcheck", {"Test": ["NONE"]}, "aucun contrôle de santé"),
    "endless log": ("HostConfig.LogConfig", {"Type": "json-file", "Config": {}}, "sans borne"),
    "another image": ("Config.Image", "ailleurs/pg:latest", "image ailleurs/pg:latest"),
    "a variable more": ("Config.Env", ["POSTGRES_PASSWORD=x"], "POSTGRES_PASSWORD"),
    "a label more": ("Config.Labels", {"mot-de-passe": "x"}, "étiquette inattendue"),
}


@pytest.mark.parametrize(("path", "value", "words"), DOCTORED.values(), ids=DOCTORED)
def test_doctored_container_is_reported(path: str, value: object, words: str) -> None:
    """One property broken, and the rule says which; haproxy1 has networks, ports and a tmpfs."""
    row = ROWS["haproxy1"]
    found = copy.deepcopy(sound(row))
    section, _, key = path.rpartition(".")
    (found[section] if section else found)[key] = value

    assert any(words in fault for fault in said(row, found))


def test_conf_volume_must_be_read_only() -> None:
    """A component that may write its own configuration may keep an intruder's."""
    row = ROWS["pg1"]
    found = sound(row)
    for mount in found["Mounts"]:
        mount["RW"] = True

    assert any("conf-pg1 sur /etc/citadelle (rw)" in fault for fault in said(row, found))


@pytest.mark.parametrize("name", [row.name for row in ROWS.values() if row.pod])
def test_pod_shares_its_own_network_only(name: str) -> None:
    """The network of another pod would give its loopback: PostgreSQL's superuser enters there."""
    found = sound(ROWS[name])
    found["HostConfig"]["NetworkMode"] = "container:ailleurs"

    assert any("container:ailleurs" in fault for fault in said(ROWS[name], found))


def test_variable_s_value_is_not_shown() -> None:
    """What was put into the environment by mistake must not reach the report."""
    found = {"Config": {"Env": ["JETON=valeur-secrete"], "Labels": None}}

    assert "valeur-secrete" not in "".join(confinement.described(found))


def test_network_modes_name_containers() -> None:
    """The engine gives identifiers, which change at each start."""
    items = [
        {"Id": "12", "Name": "/c-pg1-net", "HostConfig": {"NetworkMode": "c_dcs"}},
        {"Id": "34", "Name": "/c-pg1", "HostConfig": {"NetworkMode": "container:12"}},
    ]

    found = fleet.named("c", items)

    assert found["pg1"]["HostConfig"]["NetworkMode"] == "container:pg1-net"


def network(name: str) -> dict[str, Any]:
    """Return what the engine says of a network that is as it must be."""
    front = name == isolation.PUBLISHED
    return {
        "Driver": "bridge",
        "EnableIPv6": False,
        "Attachable": False,
        "Ingress": False,
        "Internal": not front,
        "IPAM": {"Config": [{"Subnet": str(TOPOLOGY.subnets[name])}]},
        "Options": {isolation.MASQUERADE: "false"} if front else {},
        "Containers": {"12": {"Name": "citadelle-pg1-net"}},
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_sound_network_is_silent(name: str) -> None:
    """No rule cries wolf."""
    assert list(isolation.network_faults(TOPOLOGY, name, network(name))) == []


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        ("pg", "Internal", False, "non interne"),
        ("front", "Options", {}, "traduction d'adresse"),
        ("dcs", "EnableIPv6", True, "IPv6"),
        ("pool", "Attachable", True, "ouvert à d'autres"),
        ("pg", "Driver", "macvlan", "macvlan"),
        ("pg", "IPAM", {"Config": [{"Subnet": "10.0.0.0/8"}]}, "10.0.0.0/8"),
    ],
)
def test_open_network_is_reported(name: str, key: str, value: object, words: str) -> None:
    """One property broken, and the rule says which."""
    found = network(name) | {key: value}
    assert any(words in f for f in isolation.network_faults(TOPOLOGY, name, found))


def test_stranger_on_a_network_is_reported() -> None:
    """It would hear and speak there."""
    assert list(isolation.strangers("pg", network("pg"), ["citadelle-pg2-net"])) == [
        "pg : citadelle-pg1-net y est attaché"
    ]


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("code 124", False),
        ("bash: connect: Network is unreachable\ncode 1", False),
        ("bash: connect: No route to host\ncode 1", False),
        ("code 0", True),
        ("bash: connect: Connection refused\ncode 1", True),
        ("bash: exec: not found\ncode 127", True),
    ],
)
def test_trial_s_words_are_understood(words: str, out: bool) -> None:
    """Silence and no route are a closed network; an answer, or anything unknown, is not."""
    assert isolation.got_out(words) is out


@pytest.mark.parametrize("name", [row.name for row in ROWS.values() if row.networks])
def test_without_a_trial_an_open_network_is_reported(name: str) -> None:
    """On a machine with no neighbour that answers, the engine's flags decide."""
    networks = {n: network(n) | {"Internal": False, "Options": {}} for n in NETWORKS}
    faults = list(isolation.unproven([ROWS[name]], networks))
    assert len(faults) == len(ROWS[name].networks)
