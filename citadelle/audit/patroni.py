"""Patroni: its API's guard, and the configuration that it shares through etcd."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import yaml

from citadelle import clients, engine, render
from citadelle.audit import versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import (
    answer,
    container,
    everywhere,
    inside_command,
    judged,
    leader,
)
from citadelle.patroni import Patroni
from citadelle.topology import HAPROXY, PG

# Authentication of every call to etcd (Patroni, release notes of 4.1.1).
FIXED = (4, 1, 1)
PYTHON = "/opt/patroni/bin/python"
# Asks Patroni itself, behind the guard, without a certificate; says the alert.
LOOPBACK = """
import socket, ssl
tls = ssl.create_default_context(cafile='/etc/citadelle/tls/ca-rest.crt')
try:
    with socket.create_connection(('127.0.0.1', {port}), 4) as raw:
        with tls.wrap_socket(raw, server_hostname='localhost') as found:
            found.settimeout(3)
            found.recv(1)
except ssl.SSLError as error:
    print(error.reason)
except TimeoutError:
    print('accepté')
"""


def curl(cluster: Cluster, node: str, path: str, *options: str, shown: str = "operator") -> str:
    """Return how an auditor asks the API of one pod."""
    address, port = (
        cluster.topology.address(node, "pg"),
        cluster.topology.settings.patroni_rest_port,
    )
    folder = (cluster.home.pki / "rest").relative_to(cluster.home.path)
    words = [f"curl --resolve {node}:{port}:{address} --cacert {folder}/ca.crt"]
    if shown:
        words.append(f"--cert {folder}/{shown}.crt --key {folder}/{shown}.key")
    return " ".join([*words, *options, f"https://{node}:{port}{path}"])


def _version(cluster: Cluster) -> Finding:
    found = versions.said(cluster, "Patroni")
    faults = [f"{node} : {text}" for node, text in found.items() if versions.numbers(text) < FIXED]
    wanted = ".".join(map(str, FIXED))
    good = f"Patroni {', '.join(sorted(set(found.values())))} (au moins {wanted})"
    return judged(faults, good, curl(cluster, PG[0], "/patroni"))


def _loopback(cluster: Cluster) -> Finding:
    script = LOOPBACK.format(port=cluster.topology.settings.patroni_rest_port).encode()

    def faults(node: str) -> Iterator[str]:
        said = engine.execute(container(cluster, node), PYTHON, "-", stdin=script).strip()
        if "CERTIFICATE_REQUIRED" not in said:
            yield f"sans certificat : {said or 'aucune alerte'}"

    good = "alerte TLS certificate_required, même derrière la garde"
    url = f"https://127.0.0.1:{cluster.topology.settings.patroni_rest_port}/"
    command = inside_command(cluster, PG[0], "curl", "--insecure", url)
    return judged(everywhere(PG, faults), good, command)


def _change_needs_password(cluster: Cluster) -> Finding:
    api = Patroni(cluster.topology, cluster.home)

    def faults(node: str) -> Iterator[str]:
        # An empty change: harmless even if it were taken.
        code = api.request(node, "PATCH", "/config", body={}).status_code
        if code != httpx.codes.UNAUTHORIZED:
            yield f"PATCH /config sans mot de passe : {code}"

    good = "PATCH /config avec le certificat de l'exploitant, sans mot de passe : 401"
    command = curl(cluster, PG[0], "/config", "--request PATCH --data '{}'")
    return judged(everywhere(PG, faults), good, command)


def _balancers_read_health_only(cluster: Cluster) -> Finding:
    tls = clients.context(cluster.home, "rest", HAPROXY[0])
    port = cluster.topology.settings.patroni_rest_port

    def faults(node: str) -> Iterator[str]:
        address = cluster.topology.address(node, "pg")
        code = clients.request(tls, "GET", address, port, "/config", server_name=node).status_code
        if code != httpx.codes.FORBIDDEN:
            yield f"GET /config par un répartiteur : {code}"

    good = "GET /config avec le certificat d'un répartiteur : 403"
    return judged(everywhere(PG, faults), good, curl(cluster, PG[0], "/config", shown=HAPROXY[0]))


def _shared_configuration(cluster: Cluster) -> Finding:
    node = leader(cluster)
    found = dict(_leaves(answer(cluster, node, "/config")))
    wanted = dict(_leaves(yaml.safe_load(render.dynamic_configuration(cluster.topology))))
    faults = [
        f"{name} = {found.get(name, 'absent')} (attendu : {wanted.get(name, 'absent')})"
        for name in sorted({*found, *wanted})
        if found.get(name) != wanted.get(name)
    ]
    good = f"{len(found)} réglages, ceux du dépôt : ni commande, ni pg_hba, ni standby_cluster"
    return judged(faults, good, curl(cluster, node, "/config"))


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", inner


CONTROLS = (
    Control("PA-01", "Version corrigée de Patroni", (), _version),
    Control("PA-02", "Patroni exige un certificat pour toute requête", (), _loopback),
    Control("PA-03", "Modifier exige en plus le mot de passe", (), _change_needs_password),
    Control("PA-04", "Un répartiteur ne lit que la santé", (), _balancers_read_health_only),
    Control("PA-05", "La configuration partagée est celle du dépôt", (), _shared_configuration),
)
