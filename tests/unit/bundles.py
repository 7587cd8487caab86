"""A small bundle, made by the exporter's own functions, and the receiving side's two programs."""

from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from citadelle.airgap import manifest
from citadelle.airgap.minisign import Signer
from citadelle.workspace import ROOT

SCRIPTS = ROOT / "scripts"
VERIFY = SimpleNamespace(**runpy.run_path(str(SCRIPTS / "airgap-verify"), run_name="verify"))
PYTHON = f"py{sys.version_info[0]}.{sys.version_info[1]}"
LAYERS = [f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"]
CONFIG = json.dumps({"rootfs": {"diff_ids": LAYERS}}).encode()
DIGEST = hashlib.sha256(CONFIG).hexdigest()
IMAGE = {"name": "citadelle-airgap/pod:0123456789ab", "id": f"sha256:{DIGEST}", "size": 4096}
INSTALL_SECONDS = 60
# What `docker` is there: it notes what it is asked, and has the image.
DOCKER = """#!/bin/sh
echo "$@" >> "$0.log"
if [ "$1" = load ]; then cat > /dev/null; echo "Loaded image: citadelle-airgap/ajout:1"; fi
if [ "$2" = inspect ]; then cat "$0.json"; else echo ready; fi
"""


INSTALLERS = ("apt-get", "dpkg-deb")
FAILING = "#!/bin/sh\nexit 1\n"


def moment(day: int) -> datetime:
    """Return the day of November 2026 that a bundle is made on."""
    return datetime(2026, 11, day, tzinfo=UTC)


def archive(files: dict[str, bytes]) -> bytes:
    """Return a repository as `git archive` writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o775 if name == "bootstrap" else 0o664
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


PROJECT = {
    "bootstrap": b"#!/bin/sh\n",
    "docs/page.md": b"# Page\n",
    "tasks.py": b"pass\n",
    "zones.md": b"a\n",
}


def contents() -> dict[str, bytes]:
    """Return a file of each kind that a bundle has."""
    return {
        "repository/citadelle.tar": archive(PROJECT),
        f"wheels/{PYTHON}/some-1.0-py3-none-any.whl": os.urandom(3000),
        f"wheels/{PYTHON}/requirements.lock": b"some==1.0\n",
        "wheels/patroni/requirements.txt": b"patroni==4.1.5\n",
        "images/images.tar": archive({f"{DIGEST}.json": CONFIG, "layer": os.urandom(60000)}),
        "images/images.json": json.dumps({"pod": IMAGE}).encode(),
        "debian/bookworm/Packages": b"Package: docker.io\n",
        "rpms/urls-el9-x86_64.txt": b"https://example.org/a.rpm\n",
        "sbom/images.cdx.json": b"{}\n",
        "licences/pod/libc6": b"GPL\n",
    }


@dataclass(frozen=True)
class Bundle:
    """A bundle on the disk, and who signed it."""

    folder: Path
    signer: Signer
    day: int = 20

    def sign(self) -> None:
        """Write the manifest of what is there, and sign it."""
        origin = manifest.Origin("citadelle-1.0.0-x86_64", "1.0.0", "c0ffee", moment(self.day))
        manifest.write(self.folder, origin, self.signer, ())

    def put(self, name: str, content: bytes) -> None:
        """Write one of its files."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)

    def rewrite(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Sign a manifest that says something else."""
        found = json.loads((self.folder / manifest.NAME).read_text())
        change(found)
        self.sign_text(json.dumps(found), f"citadelle {found['version']} {found['created']}")

    def sign_text(self, text: str, comment: str = "citadelle 1.0.0 2026-11-20T00:00:00Z") -> None:
        """Sign any text as the manifest."""
        (self.folder / manifest.NAME).write_text(text)
        signature = self.signer.sign(text.encode(), comment)
        (self.folder / manifest.SIGNATURE).write_text(signature)

    def verify(self, *trust: str) -> int:
        """Run airgap-verify in this process, with the right fingerprint unless told otherwise."""
        options = trust or ("--empreinte", *self.signer.fingerprint.split())
        code: int = VERIFY.main(["--bundle", str(self.folder), *options])
        return code

    def install(
        self, target: Path, *options: str, docker: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run airgap-install, with that `docker` and this Python first on PATH."""
        folders = [str(docker.parent), str(Path(sys.executable).parent)]
        trust = ("--empreinte", self.signer.fingerprint)
        return subprocess.run(
            [self.folder / "airgap-install", "--vers", target, *trust, *options],
            env={"PATH": ":".join([*folders, "/usr/bin", "/bin"]), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )


def make(folder: Path, signer: Signer | None = None, day: int = 20) -> Bundle:
    """Make a bundle and sign it."""
    bundle = Bundle(folder, signer or Signer(Ed25519PrivateKey.generate()), day)
    folder.mkdir(exist_ok=True)
    for name, content in contents().items():
        bundle.put(name, content)
    for name in ("airgap-verify", "airgap-install"):
        shutil.copy(SCRIPTS / name, folder / name)
        (folder / name).chmod(0o755)
    bundle.sign()
    return bundle


def fake_docker(folder: Path) -> Path:
    """Return a `docker` that notes what it is asked in ``docker.log`` and has the image."""
    (folder / "bin").mkdir()
    # The real ones would install on this machine.
    for name, text in (("docker", DOCKER), *((name, FAILING) for name in INSTALLERS)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    docker = folder / "bin" / "docker"
    has_image(docker, str(IMAGE["id"]), LAYERS)
    return docker


def has_image(docker: Path, identifier: str, layers: list[str]) -> None:
    """Have the image that `docker` shows be this one."""
    found = [{"Id": identifier, "RootFS": {"Layers": layers}}]
    Path(f"{docker}.json").write_text(json.dumps(found))
