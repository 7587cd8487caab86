"""Controls on the secrets: found where the table says (credentials.py), and nowhere else.

A finding names the variable and the place; the value is never written.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from citadelle import delivery, engine, images, pki
from citadelle.audit import environments, files, haystacks, streams
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.haystacks import Haystack
from citadelle.audit.reads import container, judged
from citadelle.audit.rights import expected
from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT

CIS = "CIS Docker v1.3.1, 4.10"
OBJECTS = ("container", "image", "volume", "network")
HISTORY = ("log", "--all", "--patch", "--text", "--no-color", "--no-ext-diff")


def _searched(cluster: Cluster, what: Iterable[Haystack], kind: str, command: str) -> Finding:
    """Search for every secret and private key; nothing read is a fault too."""
    found = haystacks.search(what, haystacks.of_cluster(cluster))
    faults = [str(hit) for hit in found.hits]
    if not found.size:
        faults.append(f"rien n'a été lu : {kind}")
    good = f"{found.places} {kind}, {found.size / 1e6:.1f} Mo lus : aucun secret, aucune clé"
    return judged(faults, good, command)


def _names(cluster: Cluster, kind: str) -> list[str]:
    """Return the cluster's objects of a kind.

    Images by their names: they outlive an authority, whose fingerprint their label keeps.
    """
    if kind == "image":
        return [images.name(cluster.topology, stage) for stage in images.STAGES]
    name = cluster.topology.settings.cluster_name
    return engine.names(kind, cluster=name, ca=pki.fingerprint(cluster.home))


def _layers(cluster: Cluster) -> Finding:
    names = _names(cluster, "image")
    with streams.command(streams.docker("save", *names)) as stream:
        command = f"docker save {' '.join(names)} | grep -a -F -f SECRETS"
        kind = f"fichiers et couches de {len(names)} images"
        return _searched(cluster, haystacks.archive(stream), kind, command)


def _descriptions(cluster: Cluster) -> Finding:
    def texts() -> Iterator[Haystack]:
        for kind in OBJECTS:
            names = _names(cluster, kind)
            yield f"docker {kind} inspect", [engine.docker(kind, "inspect", *names).encode()]
        for name in _names(cluster, "image"):
            history = engine.docker("image", "history", "--no-trunc", name)
            yield f"docker image history {name}", [history.encode()]

    command = f"docker inspect {' '.join(_names(cluster, 'container'))} | grep -F -f SECRETS"
    return _searched(cluster, texts(), "descriptions du moteur", command)


def _processes(cluster: Cluster) -> Finding:
    rows = expected(cluster.topology)
    hidden: list[str] = []
    what = environments.shown(cluster, rows, hidden)
    command = f"docker exec {container(cluster, rows[0].name)} sh -c '{environments.READ}'"
    finding = _searched(
        cluster, what, "lectures de lignes de commande et d'environnements", command
    )
    if not finding.ok or not hidden:
        return finding
    seen = f"{finding.seen} (cachés par le noyau, même dedans : {', '.join(hidden)})"
    return Finding(True, seen, command)


def _logs(cluster: Cluster) -> Finding:
    names = [container(cluster, row.name) for row in expected(cluster.topology)]

    def texts() -> Iterator[Haystack]:
        for name in names:
            with streams.command(streams.docker("logs", name), both=True) as stream:
                yield f"docker logs {name}", streams.blocks(stream)

    return _searched(cluster, texts(), "journaux", f"docker logs {names[0]} 2>&1")


def written(cluster: Cluster, *roots: Path) -> Iterator[Path]:
    """Yield the files below some directories, but for this cluster's own ``.env`` and keys."""
    own = cluster.home.pki.resolve()
    seen = set()
    for root in roots:
        for path in sorted(root.rglob("*")):
            real = path.resolve()
            if real.is_relative_to(own) or real == cluster.home.env_file.resolve():
                continue
            if real.is_file() and real not in seen:
                seen.add(real)
                yield path


def _reports(cluster: Cluster) -> Finding:
    roots = (ROOT / "reports", ROOT / "build", cluster.home.build)

    def texts() -> Iterator[Haystack]:
        for path in written(cluster, *roots):
            # Gone since it was listed: nothing of it is left to find.
            with suppress(FileNotFoundError), path.open("rb") as file:
                yield os.path.relpath(path, ROOT), haystacks.plain(file)

    command = "grep -r -a -F -f SECRETS reports build --exclude-dir=pki"
    return _searched(cluster, texts(), "fichiers de reports/ et build/", command)


def _history(cluster: Cluster) -> Finding:
    git = shutil.which("git")
    argv = ["git", "-C", str(ROOT), *HISTORY]
    if not (ROOT / ".git").exists():
        return Finding(True, "pas un dépôt git : aucun historique ici", shlex.join(argv))
    if git is None:
        raise CitadelleError("git introuvable : l'historique du dépôt n'a pas été examiné.")
    with streams.command([git, *argv[1:]]) as stream:
        what = [("historique git", streams.blocks(stream))]
        return _searched(cluster, what, "historique", shlex.join(argv))


def _holders(cluster: Cluster) -> Finding:
    needles = haystacks.of_settings(cluster.topology.settings)
    found = files.delivered(cluster)
    faults = (f for r in delivery.READERS for f in files.misheld(r, found[r.name], needles))
    good = f"{len(found)} volumes : chaque secret chez ses seuls détenteurs (credentials.py)"
    return judged(faults, good, _volumes(cluster))


def _data(cluster: Cluster) -> Finding:
    faults = [str(hit) for hit in files.in_data(cluster)]
    good = "données d'etcd et de PostgreSQL lues en entier : aucun secret, aucune clé"
    return judged(faults, good, _volumes(cluster))


def _modes(cluster: Cluster) -> Finding:
    found = files.delivered(cluster)

    def faults() -> Iterator[str]:
        for r in delivery.READERS:
            listed = {*delivery.files(cluster.topology, r, cluster.home)}
            yield from files.misplaced(r, found[r.name], listed)

    count = sum(len(content) for content in found.values())
    good = f"{count} fichiers et répertoires : 0400 et 0500, au compte qui les lit, tous attendus"
    return judged(faults(), good, _volumes(cluster))


def _contents(cluster: Cluster) -> Finding:
    found = files.delivered(cluster)

    def faults() -> Iterator[str]:
        for r in delivery.READERS:
            expected = delivery.files(cluster.topology, r, cluster.home)
            yield from files.altered(r, found[r.name], expected)
        # Made for other files: what the volume holds now is not what the process read.
        for name in delivery.pending(cluster.topology, cluster.home):
            yield f"{name} : démarré avec d'autres fichiers (« invoke up »)"

    good = f"{len(found)} volumes : ce que donnent le dépôt, .env et build/pki, lu par tous"
    return judged(faults(), good, _volumes(cluster))


def _leaf_keys(cluster: Cluster) -> Finding:
    owners = files.owners(cluster.topology)
    faults = files.strange_keys(files.delivered(cluster), files.keys_of(cluster.home), owners)
    good = f"{len(owners)} clés privées, chacune dans le volume de son seul conteneur"
    return judged(faults, good, _volumes(cluster))


def _authority_keys(cluster: Cluster) -> Finding:
    needles = {f: n for f, n in haystacks.of_keys(cluster.home).items() if n.endswith("/ca")}
    volumes = files.delivered(cluster).items()
    what = [(f"{name}:{f.path}", [f.content]) for name, found in volumes for f in found]
    hits = [*haystacks.search(what, needles).hits, *files.in_data(cluster)]
    faults = [str(hit) for hit in hits if hit.name.endswith("/ca")]
    good = f"{len(set(needles.values()))} autorités : aucune de leurs clés dans un volume"
    return judged(faults, good, _volumes(cluster))


def _volumes(cluster: Cluster) -> str:
    """Return how an auditor sees a volume himself."""
    volume = f"{cluster.topology.settings.cluster_name}_conf-{delivery.READERS[0].name}"
    mount = f"--volume={volume}:/v:ro"
    return f"docker run --rm --network=none --user=0 {mount} IMAGE find /v -ls"


CONTROLS = (
    Control("SE-01", "Aucun secret dans une couche d'image", (CIS,), _layers),
    Control("SE-02", "Aucun secret dans ce que montre le moteur", (CIS,), _descriptions),
    Control("SE-03", "Aucun secret en ligne de commande ni en environnement", (), _processes),
    Control("SE-04", "Aucun secret dans les journaux", (), _logs),
    Control("SE-05", "Aucun secret dans les rapports et fichiers produits", (), _reports),
    Control("SE-06", "Aucun secret dans l'historique git", (), _history),
    Control("SE-07", "Chaque secret livré à ses seuls détenteurs", (), _holders),
    Control("SE-08", "Aucun secret dans les données d'etcd et de PostgreSQL", (), _data),
    Control("SE-09", "Fichiers livrés : modes, comptes, liste", (), _modes),
    Control("SE-10", "Chaque clé privée chez son seul conteneur", (), _leaf_keys),
    Control("SE-11", "Aucune clé d'autorité dans un conteneur", (), _authority_keys),
    Control("SE-12", "Fichiers livrés : leur contenu est celui du dépôt", (), _contents),
)
