"""Controls on the containers: what the engine says of them, and what the kernel says inside.

The rules are in confinement.py, inside.py and isolation.py, the table in rights.py; here they
meet the running cluster, as fleet.py reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from citadelle import engine
from citadelle.audit import confinement, fleet, inside, isolation
from citadelle.audit.confinement import Rule
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.inside import KernelRule
from citadelle.audit.reads import inside_command, judged
from citadelle.audit.rights import expected

# Its numbers as docker-bench-security prints them for this version.
CIS = "CIS Docker v1.3.1, "


def _listed(cluster: Cluster) -> Finding:
    """Judge the list itself: nobody missing, nobody more, everybody running."""
    found = fleet.inspected(cluster)
    wanted = {row.name for row in expected(cluster.topology)}

    def faults() -> Iterator[str]:
        yield from (f"{name} : absent" for name in sorted(wanted - found.keys()))
        for name, item in sorted(found.items()):
            if name not in wanted and not fleet.operators(item):
                yield f"{name} : inconnu de la topologie"
            elif (state := item["State"]["Status"]) != "running":
                yield f"{name} : {state}"

    good = f"{len(wanted)} conteneurs, tous attendus et en marche"
    return judged(faults(), good, f"docker ps --all --filter {_label(cluster)}")


def _label(cluster: Cluster) -> str:
    return f"label=fr.citadelle.cluster={cluster.topology.settings.cluster_name}"


def _all(cluster: Cluster) -> str:
    """Return what stands for every container in an auditor's command line."""
    return f"$(docker ps --all --quiet --filter {_label(cluster)})"


Check = Callable[[Cluster], Finding]


def _ruled(good: str, show: str, *rules: Rule, kernels: tuple[KernelRule, ...] = ()) -> Check:
    """Return a check of every container: rules over its JSON, then over its inside.

    ``show`` is the part of the JSON that an auditor looks at.
    """

    def check(cluster: Cluster) -> Finding:
        rows = expected(cluster.topology)
        command = f"docker inspect --format '{{{{.Name}}}} {{{{json {show}}}}}' {_all(cluster)}"
        if kernels:
            command += "\n" + inside_command(cluster, rows[0].name, "sh", "-c", inside.READ)
        count = f"{len(rows)} conteneurs : {good}"
        return judged(_faults(cluster, rules, kernels), count, command)

    return check


def _faults(
    cluster: Cluster, rules: tuple[Rule, ...], kernels: tuple[KernelRule, ...]
) -> Iterator[str]:
    for row in expected(cluster.topology):
        if row.name not in fleet.inspected(cluster):
            yield f"{row.name} : absent"
            continue
        said = [fault for rule in rules for fault in rule(row, fleet.inspected(cluster)[row.name])]
        if kernels:
            read = fleet.kernel(cluster)[row.name]
            said += [fault for rule in kernels for fault in rule(row, read)]
        yield from (f"{row.name} : {fault}" for fault in said)


def _volumes(cluster: Cluster) -> Finding:
    """Judge the volumes: a local one may hide a directory of the machine in its options."""
    names = sorted({name for row in expected(cluster.topology) for name, _, _ in row.mounts})
    found = engine.inspect("volume", *names)
    faults = [
        f"{v['Name']} : pilote {v['Driver']}, options {sorted(v['Options'] or {})}"
        for v in found
        if v["Driver"] != "local" or v["Options"]
    ]
    good = f"{len(found)} volumes gérés par le moteur, sans option"
    return judged(faults, good, f"docker volume inspect {' '.join(names)}")


def _images(cluster: Cluster) -> Finding:
    """Judge the images' own description: account, variables, labels."""
    accounts = {row.image: row for row in expected(cluster.topology)}
    found = engine.inspect("image", *accounts)

    def faults() -> Iterator[str]:
        for image in found:
            (tag,) = [tag for tag in image["RepoTags"] if tag in accounts]
            yield from (f"{tag} : {fault}" for fault in confinement.described(image))

    good = f"{len(found)} images : ni variable ni étiquette inattendue"
    return judged(faults(), good, f"docker image inspect {' '.join(accounts)}")


CONTROLS = (
    Control("CT-01", "Les conteneurs sont ceux de la topologie, et eux seuls", (), _listed),
    Control(
        "CT-02",
        "Chaque processus a le compte de son rôle",
        (f"{CIS}4.1",),
        _ruled(
            "comptes de la table",
            ".Config.User",
            confinement.account,
            kernels=(inside.accounts,),
        ),
    ),
    Control(
        "CT-03",
        "Capacités : exactement celles de la table, dans le noyau aussi",
        (f"{CIS}5.3",),
        _ruled(
            "CapAdd, CapPrm, CapEff, CapBnd conformes ; CapInh et CapAmb vides",
            ".HostConfig.CapAdd",
            confinement.added_capabilities,
            kernels=(inside.capabilities,),
        ),
    ),
    Control(
        "CT-04",
        "Aucun privilège, et aucun moyen d'en gagner",
        (f"{CIS}5.4", f"{CIS}5.25"),
        _ruled(
            "ni privilégié ni sans no-new-privileges",
            ".HostConfig.SecurityOpt",
            confinement.privilege,
            kernels=(inside.no_new_privileges,),
        ),
    ),
    Control(
        "CT-05",
        "Appels système filtrés (seccomp), /proc masqué",
        (f"{CIS}5.21",),
        _ruled(
            "filtre en place (Seccomp: 2), aucune protection retirée",
            ".HostConfig.SecurityOpt",
            confinement.protections,
            kernels=(inside.system_calls,),
        ),
    ),
    Control(
        "CT-06",
        "Racine en lecture seule",
        (f"{CIS}5.12",),
        _ruled(
            "seuls les données et les tmpfs listés s'écrivent",
            ".HostConfig.ReadonlyRootfs",
            confinement.root_file_system,
            kernels=(inside.writable_places,),
        ),
    ),
    Control(
        "CT-07",
        "Mémoire et processus bornés",
        (f"{CIS}5.10", f"{CIS}5.28"),
        _ruled("bornes posées", ".HostConfig.PidsLimit", confinement.limits),
    ),
    Control(
        "CT-08",
        "Aucune socket du moteur montée",
        (f"{CIS}5.31",),
        _ruled("aucune", ".Mounts", confinement.engine_socket),
    ),
    Control(
        "CT-09",
        "Aucun espace de noms de la machine",
        (f"{CIS}5.9", f"{CIS}5.15", f"{CIS}5.16", f"{CIS}5.20", f"{CIS}5.29", f"{CIS}5.30"),
        _ruled(
            "réseau, processus, IPC, nom et comptes à part ; un pod partage son seul réseau",
            ".HostConfig.NetworkMode",
            confinement.namespaces,
        ),
    ),
    Control(
        "CT-10",
        "Aucun périphérique de la machine",
        (f"{CIS}5.17",),
        _ruled("aucun", ".HostConfig.Devices", confinement.devices),
    ),
    Control(
        "CT-11",
        "Chaque conteneur ne monte que ses volumes, sa configuration en lecture seule",
        (f"{CIS}5.5",),
        _ruled("volumes du conteneur seulement", ".Mounts", confinement.mounts),
    ),
    Control("CT-12", "Aucun volume ne cache un répertoire de la machine", (), _volumes),
    Control(
        "CT-13",
        "Chaque conteneur est sur ses seuls réseaux",
        (),
        _ruled("réseaux de la topologie", ".NetworkSettings.Networks", confinement.networks),
    ),
    Control(
        "CT-14", "Réseaux internes, sans traduction d'adresse ni inconnu", (), isolation.networks
    ),
    Control("CT-15", "Aucune connexion n'aboutit hors du cluster", (), isolation.way_out),
    Control(
        "CT-16",
        "Ports publiés : ceux de .env, sur BIND_ADDRESS seulement",
        (f"{CIS}5.8", f"{CIS}5.13"),
        _ruled("ports et adresses de .env", ".HostConfig.PortBindings", confinement.ports),
    ),
    Control(
        "CT-17",
        "Redémarrage après un arrêt, santé contrôlée",
        (f"{CIS}5.26",),
        _ruled(
            "unless-stopped ; contrôle de santé, sauf là où rien ne sert",
            ".Config.Healthcheck",
            confinement.lasting,
        ),
    ),
    Control(
        "CT-18",
        "Journaux bornés",
        (),
        _ruled("taille bornée", ".HostConfig.LogConfig", confinement.logging),
    ),
    Control(
        "CT-19",
        "Images du jour, sans variable ni étiquette inattendue",
        (f"{CIS}4.10",),
        _ruled("images et variables attendues", ".Config.Image", confinement.image),
    ),
    Control("CT-20", "Description des images : rien d'inattendu", (f"{CIS}4.10",), _images),
)
