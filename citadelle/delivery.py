"""One door for what containers read: files to a volume of the container's own, as one tar.

Modes and owners are in the tar, so nothing depends on the operator's account; no secret goes
through the environment, an image or a command line.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence

from citadelle import engine, pki, render
from citadelle.inventory import TRUSTED, certificates
from citadelle.topology import CONTAINERS, ETCD, OPERATOR, PG, Container, Role, Topology, reader
from citadelle.workspace import Home, origin

READERS = (*CONTAINERS, OPERATOR)
# HAProxy takes certificate and key in one file.
PEM_ROLES = (Role.GATEWAY, Role.HAPROXY)
MODE = 0o400
# What a component reads again without a restart: see citadelle/reload.py.
RELOADED = {Role.PG: ("pg_hba.conf",)}

# Runs in the short-lived container: /new is a tmpfs, /volumes/<name> each container's volume.
# Prints the names of the volumes that it changed.
SCRIPT = """
set -eu
tar -x -C /new
for new in /new/*; do
  name=${new##*/}; volume=/volumes/$name
  # Byte for byte: what an interrupted delivery left, or somebody edited, is put right again.
  if diff --recursive --brief "$new" "$volume" >/dev/null; then continue; fi
  cp -a --remove-destination "$new/." "$volume/"
  (cd "$volume" && find . -type f) | while read -r file; do
    [ -e "$new/$file" ] || rm -f "$volume/$file"
  done
  echo "$name"
done
"""


def files(topology: Topology, container: Container, home: Home) -> dict[str, bytes]:
    """Return everything the container reads, by path below ``/etc/citadelle``."""
    texts = render.files(topology, container, pki.fingerprint(home))
    found = {path: text.encode() for path, text in texts.items()}
    for plane in TRUSTED[container.role]:
        found[f"tls/ca-{plane}.crt"] = (home.pki / plane / "ca.crt").read_bytes()
    for certificate in certificates(topology):
        if certificate.container == container.name:
            stem = home.pki / certificate.plane / certificate.name
            crt, key = (stem.with_name(f"{stem.name}.{end}").read_bytes() for end in ("crt", "key"))
            target = f"tls/{certificate.file}"
            if container.role in PEM_ROLES:
                found[f"{target}.pem"] = crt + key
            else:
                found |= {f"{target}.crt": crt, f"{target}.key": key}
    return found


def digest(content: dict[str, bytes]) -> str:
    """Return the SHA-256 (hexadecimal) of a container's files, names included."""
    total = hashlib.sha256()
    for path in sorted(content):
        for part in (path.encode(), content[path]):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def digests(topology: Topology, home: Home) -> dict[str, str]:
    """Return the digest of what each reader reads at its start only, by container name."""
    found = {}
    for c in READERS:
        content = files(topology, c, home)
        lasting = content.keys() - RELOADED.get(c.role, ())
        found[c.name] = digest({path: content[path] for path in lasting})
    return found


def tar(topology: Topology, home: Home, readers: Sequence[Container] = READERS) -> bytes:
    """Return one archive, a directory per container, with final owners and modes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for container in readers:
            owner = reader(container.role)
            content = files(topology, container, home)
            for directory in (container.name, f"{container.name}/tls"):
                archive.addfile(_member(directory, owner, tarfile.DIRTYPE, 0o500))
            for path, data in sorted(content.items()):
                member = _member(f"{container.name}/{path}", owner, tarfile.REGTYPE, MODE)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _member(path: str, owner: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode = kind, mode
    member.uid = member.gid = owner
    return member


def volumes() -> tuple[str, ...]:
    """Return the cluster's volumes, without its name: delivered files, then data."""
    return (
        *(f"conf-{container.name}" for container in READERS),
        *(f"data-{node}" for node in (*ETCD, *PG)),
    )


def create_volumes(topology: Topology, home: Home) -> None:
    """Create the missing volumes, with the cluster's labels; an existing one is left alone."""
    cluster = topology.settings.cluster_name
    known = engine.names("volume", cluster=cluster, ca=pki.fingerprint(home))
    for volume in volumes():
        name = f"{cluster}_{volume}"
        if name not in known:
            labels = {"cluster": cluster, "ca": pki.fingerprint(home), "origin": origin()}
            options = [f"--label=fr.citadelle.{k}={v}" for k, v in labels.items()]
            engine.docker("volume", "create", *options, name)


def deliver(
    topology: Topology, home: Home, image: str, readers: Sequence[Container] = READERS
) -> list[str]:
    """Fill the volumes of these readers and return the containers whose files changed."""
    create_volumes(topology, home)
    cluster = topology.settings.cluster_name
    mounts = [
        f"--volume={cluster}_conf-{container.name}:/volumes/{container.name}"
        for container in readers
    ]
    # Owners of all kinds are written here: root, with the three capabilities that this takes.
    rights = [f"--cap-add={name}" for name in ("CHOWN", "DAC_OVERRIDE", "FOWNER")]
    argv = ["run", "--rm", "--interactive", "--network=none", "--read-only", "--tmpfs=/new"]
    argv += ["--user=0", "--cap-drop=ALL", *rights, "--security-opt=no-new-privileges:true"]
    changed = engine.docker(
        *argv, *mounts, "--entrypoint=sh", image, "-c", SCRIPT, stdin=tar(topology, home, readers)
    )
    return changed.split()


def pending(topology: Topology, home: Home) -> list[str]:
    """Return the containers that do not run with the files of today (or do not run at all)."""
    cluster = topology.settings.cluster_name
    current = {}
    found = engine.names("container", cluster=cluster, ca=pki.fingerprint(home))
    for container in engine.inspect("container", *found):
        name = container["Name"].removeprefix(f"/{cluster}-")
        current[name] = container["Config"]["Labels"].get("fr.citadelle.config")
    wanted = digests(topology, home)
    return [c.name for c in CONTAINERS if current.get(c.name) != wanted[c.name]]
