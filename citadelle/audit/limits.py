"""What this cluster is known not to do (docs/securite.md), looked at like everything else.

Each of these fails today and stands in config/audit/ecarts.yml with its reason; the day when it
passes, the deviation is stale and the audit says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from citadelle import engine
from citadelle.audit import versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.patroni import PYTHON, curl
from citadelle.audit.poolers import WRONG_PASSWORD, login_command, refused, wrong_password
from citadelle.audit.reads import (
    answer,
    container,
    everywhere,
    inside,
    inside_command,
    judged,
    leader,
    parameters,
    parameters_command,
)
from citadelle.errors import CitadelleError
from citadelle.inventory import PLANES
from citadelle.topology import ETCD, PG, PGBOUNCER

CIS = "CIS PostgreSQL 17 v1.1.0, "
# Reads of keys beside a granted one, and a flood of slow handshakes (GHSA-xg4h-6gfc-h4m8,
# GHSA-6vch-q96h-7gc3).
ETCD_FIXED = (3, 5, 33)
DATA = "/var/lib/citadelle"
ENCRYPTED = "CRYPT-"  # what device-mapper's uuid begins with under dm-crypt
# Patroni's own code merges a hostile /config with the local file; nothing is written to etcd.
HOSTILE = """
import logging
from patroni.config import Config
logging.disable(logging.CRITICAL)
config = Config('/etc/citadelle/patroni.yml')
config.set_dynamic_configuration({'standby_cluster': {'restore_command': 'audit'}})
print((config.get('standby_cluster') or {}).get('restore_command', ''))
"""


def _archiving(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)["archive_mode"]
        if found == "off":
            yield "archive_mode = « off » : ni archivage des WAL, ni retour à un instant donné"

    command = parameters_command(cluster, ("archive_mode", "archive_command"))
    return judged(everywhere(PG, faults), "WAL archivés", command)


def _pgaudit(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)["shared_preload_libraries"]
        if "pgaudit" not in found:
            yield f"shared_preload_libraries = « {found} », sans pgaudit"

    command = parameters_command(cluster, ("shared_preload_libraries",))
    return judged(everywhere(PG, faults), "pgAudit chargé", command)


def _collector(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        if parameters(cluster, node)["logging_collector"] == "off":
            yield "logging_collector = « off »"

    command = parameters_command(cluster, ("logging_collector", "log_destination"))
    return judged(everywhere(PG, faults), "collecteur actif", command)


def _at_rest(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        device = inside(cluster, node, "stat", "--format=%Hd:%Ld", DATA).strip()
        script = 'if [ -r "$1" ]; then cat "$1"; fi'
        place = f"/sys/dev/block/{device}/dm/uuid"
        if not inside(cluster, node, "sh", "-c", script, "sh", place).startswith(ENCRYPTED):
            yield f"{DATA} : le périphérique {device} n'est pas un volume dm-crypt"

    command = inside_command(cluster, PG[0], "stat", "--format=%Hd:%Ld", DATA)
    return judged(everywhere(PG, faults), "données sur un volume dm-crypt", command)


def _watchdog(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        if "watchdog" not in inside(cluster, node, "ls", "/dev").split():
            yield "pas de /dev/watchdog"

    command = inside_command(cluster, PG[0], "ls", "/dev")
    return judged(everywhere(PG, faults), "chien de garde présent", command)


def _strict(cluster: Cluster) -> Finding:
    node = leader(cluster)
    strict = answer(cluster, node, "/config").get("synchronous_mode_strict")
    faults = [] if strict else ["sans réplica sain, le primaire acquitte seul"]
    return judged(faults, "synchronous_mode_strict actif", curl(cluster, node, "/config"))


def _hostile_configuration(cluster: Cluster) -> Finding:
    said = engine.execute(container(cluster, PG[0]), PYTHON, "-", stdin=HOSTILE.encode())
    followed = said.strip() == "audit"
    faults = ["Patroni retient la restore_command d'un standby_cluster venu d'etcd"]
    command = "nox -s patroni -- -k standby_cluster"
    return judged(faults if followed else [], "standby_cluster venu d'etcd ignoré", command)


def _etcd_version(cluster: Cluster) -> Finding:
    wanted = ".".join(map(str, ETCD_FIXED))
    found = versions.said(cluster, "etcd")
    faults = [f"{n} : {t} (attendu : {wanted})" for n, t in found.items() if _old(t)]
    command = inside_command(cluster, ETCD[0], "etcd", "--version")
    return judged(faults, f"etcd, au moins {wanted}", command)


def _old(text: str) -> bool:
    return versions.numbers(text) < ETCD_FIXED


def _tokens(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        words = inside(cluster, node, "grep", "^auth-token:", "/etc/citadelle/etcd.yml").split()
        if not words[-1].startswith("jwt"):
            yield f"jetons « {words[-1]} » : opaques, en mémoire, non signés"

    argv = ("grep", "^auth-token:", "/etc/citadelle/etcd.yml")
    return judged(
        everywhere(ETCD, faults), "jetons signés", inside_command(cluster, ETCD[0], *argv)
    )


def _majority(cluster: Cluster) -> Finding:
    count = Counter(cluster.topology.datacenter(node) for node in ETCD)
    half = len(ETCD) // 2
    faults = [f"{dc} porte {n} membres sur {len(ETCD)}" for dc, n in count.items() if n > half]
    return judged(faults, "aucun centre ne porte la majorité", "invoke status")


def _revocation(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)
        if not (found["ssl_crl_file"] or found["ssl_crl_dir"]):
            yield "ssl_crl_file et ssl_crl_dir vides : aucune liste de révocation"

    command = parameters_command(cluster, ("ssl_crl_file", "ssl_crl_dir"))
    return judged(everywhere(PG, faults), "listes de révocation lues", command)


def _passphrases(cluster: Cluster) -> Finding:
    bare = [plane for plane in PLANES if _opens((cluster.home.pki / plane / "ca.key").read_bytes())]
    faults = [f"clés d'autorité sans phrase de passe : {', '.join(bare)}"] if bare else []
    folder = cluster.home.pki.relative_to(cluster.home.path)
    return judged(faults, "clés d'autorité chiffrées", f"head -1 {folder}/server/ca.key")


def _opens(key: bytes) -> bool:
    try:
        load_pem_private_key(key, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):  # encrypted, or no key at all
        return False
    return True


def _names(cluster: Cluster) -> Finding:
    """Two refused logins to each pooler: a name that does not exist, a password that is wrong.

    The deviation accepts that they differ, nothing more: when either is let in, or does not
    answer, there is nothing to compare.
    """

    def faults(node: str) -> Iterator[str]:
        unknown = refused(cluster, node, user="audit-inconnu")
        wrong = wrong_password(cluster, node)
        if not unknown or WRONG_PASSWORD not in wrong:
            said = f"nom inconnu : {unknown or 'entré'} ; mot de passe faux : {wrong or 'entré'}"
            raise CitadelleError(f"{node} : pas deux refus à comparer ({said})")
        if unknown != wrong:
            yield f"nom inconnu : « {unknown} » ; mot de passe faux : « {wrong} »"

    command = login_command(cluster, "user=inconnu sslmode=require")
    return judged(everywhere(PGBOUNCER, faults), "deux refus au même texte", command)


def _channel_binding(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        said = refused(cluster, node, channel_binding="require")
        if said:
            yield said

    command = login_command(cluster, "sslmode=require channel_binding=require")
    return judged(everywhere(PGBOUNCER, faults), "channel_binding offert aux clients", command)


CONTROLS = (
    Control("LI-01", "WAL archivés", (CIS + "7.4",), _archiving),
    Control("LI-02", "Audit des objets par pgAudit", (CIS + "3.2",), _pgaudit),
    Control("LI-03", "Journal écrit par le collecteur", (CIS + "3.1.3",), _collector),
    Control("LI-04", "Données chiffrées au repos", (), _at_rest),
    Control("LI-05", "Chien de garde", ("Manuel Patroni, Watchdog support",), _watchdog),
    Control("LI-06", "Aucune commande ne vient d'etcd", (), _hostile_configuration),
    Control("LI-07", "etcd sans faille connue", (), _etcd_version),
    Control("LI-08", "Jetons d'etcd signés", (), _tokens),
    Control("LI-09", "Aucun centre ne porte la majorité d'etcd", (), _majority),
    Control("LI-10", "Certificats révocables", (), _revocation),
    Control("LI-11", "Clés d'autorité protégées par phrase de passe", (), _passphrases),
    Control("LI-12", "Un nom de compte ne se devine pas", (), _names),
    Control("LI-13", "Mot de passe lié au canal TLS par PgBouncer", (), _channel_binding),
    Control("LI-14", "Jamais d'acquittement sans réplica", (), _strict),
)
