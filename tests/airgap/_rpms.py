"""Real RPMs and repositories, made on the spot with Debian's rpmbuild, rpmsign and createrepo_c."""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# Not the project's own createrepo_c (the wheel): what reads must not be tested by what wrote.
CREATEREPO = "/usr/bin/createrepo_c"
TOOLS = (
    "rpmbuild",
    "rpmsign",
    "rpmkeys",
    "rpm",
    "dnf",
    "gpg",
    "gpg-agent",
    "gpgv",
    "unshare",
    "apt-get",
    "dpkg-scanpackages",
    CREATEREPO,
)
PACKAGES = "rpm createrepo-c dnf gnupg util-linux dpkg-dev"
# rpmbuild and dnf take a second here; a loaded machine gets a hundred times that.
SECONDS = 120


def require_tools() -> None:
    """End the session, saying what to install: no test is skipped for a missing tool."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.exit(f"Il manque {missing} : apt-get install {PACKAGES}", returncode=2)


def run(*argv: str | Path, **environment: str) -> str:
    """Run a tool; return its output."""
    result = subprocess.run(
        [str(one) for one in argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **environment},
    )
    assert result.returncode == 0, f"{argv}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@dataclass(frozen=True)
class Spec:
    """An RPM to build: its tags, and the files that it holds."""

    name: str
    version: str = "1.0"
    arch: str = "noarch"
    tags: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    content: bytes = b"x"

    @property
    def file(self) -> str:
        """Return rpm's file name."""
        return f"{self.name}-{self.version}-1.{self.arch}.rpm"

    def text(self, source: Path) -> str:
        """Return the .spec file."""
        files = self.files or (f"/usr/share/{self.name}/data",)
        tags = [f"Name: {self.name}", f"Version: {self.version}", "Release: 1"]
        tags += ["Summary: test", "License: MIT", *self.tags]
        installs = [f"install -D -m 644 {source} %{{buildroot}}{path}" for path in files]
        parts = [*tags, "%description", "test", "%install", *installs, "%files", *files]
        return "\n".join(parts) + "\n"


# Random, so that compression leaves it large: cuts fall in its middle, small disks overflow.
BIG = Spec("app", content=random.Random(17).randbytes(2_000_000))  # noqa: S311 (not a secret)


class Signer:
    """A GnuPG key of the tests' own, without passphrase."""

    def __init__(self, name: str) -> None:
        # A short path: gpg-agent's socket must fit in 108 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="cle"))
        # Started here, without deadline: gpg itself gives up after 5 s, too short under load.
        agent = ["gpg-agent", "--homedir", str(self.home), "--daemon"]
        silent = subprocess.DEVNULL  # a pipe would stay open as long as the agent lives
        subprocess.run(agent, check=True, timeout=SECONDS, stdout=silent, stderr=silent)
        identity = f"{name} <{name}@example.invalid>"
        self._gpg("--passphrase", "", "--quick-generate-key", identity, "rsa2048", "sign", "never")
        listing = self._gpg("--with-colons", "--list-keys")
        self.fingerprint = next(
            line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")
        )
        self.public = self._gpg("--armor", "--export")
        self.public_file = self.home / "cle.asc"
        self.public_file.write_text(self.public)

    def _gpg(self, *argv: str | Path) -> str:
        return run("gpg", "--homedir", self.home, "--batch", "--quiet", *argv)

    def sign(self, rpm: Path, hash_name: str = "sha256") -> None:
        """Sign an RPM in place."""
        defines = (f"_gpg_name {self.fingerprint}", f"_gpg_path {self.home}", "__gpg /usr/bin/gpg")
        options = [one for define in defines for one in ("--define", define)]
        options += ["--define", f"_gpg_digest_algo {hash_name}"]
        run("rpmsign", *options, "--addsign", rpm, GNUPGHOME=str(self.home))

    def detach(self, path: Path) -> None:
        """Write ``<path>.asc``."""
        self._gpg("--yes", "--armor", "--detach-sign", "--output", f"{path}.asc", path)

    def clear_sign(self, path: Path, target: Path) -> None:
        """Write a signed copy."""
        self._gpg("--yes", "--clear-sign", "--output", target, path)

    def close(self) -> None:
        """End the agent that gpg started, remove the key."""
        run("gpgconf", "--homedir", self.home, "--kill", "all")
        shutil.rmtree(self.home)


@dataclass
class Forge:
    """Builds each RPM once, signs it once per key."""

    folder: Path
    _built: dict[tuple[Spec, str], Path] = field(default_factory=dict)

    def build(self, spec: Spec, signer: Signer | None = None) -> Path:
        """Return the RPM, unsigned or signed; not to be changed: copy it."""
        key = (spec, signer.fingerprint if signer else "")
        if key not in self._built:
            place = self.folder / str(len(self._built))
            place.mkdir()
            self._built[key] = place / spec.file
            if signer is None:
                self._compile(spec, place)
            else:
                shutil.copyfile(self.build(spec), place / spec.file)
                signer.sign(place / spec.file)
        return self._built[key]

    def _compile(self, spec: Spec, place: Path) -> None:
        (place / "data").write_bytes(spec.content)
        text = place / "test.spec"
        text.write_text(spec.text(place / "data"))
        defines = (f"_topdir {place}", f"_rpmdir {place}", "_rpmfilename %{NVRA}.rpm")
        options = [one for define in defines for one in ("--define", define)]
        run("rpmbuild", "-bb", "--quiet", "--target", spec.arch, *options, text)


def index(folder: Path, *options: str, program: str | Path = CREATEREPO) -> None:
    """Write (again) a repository's metadata."""
    run(program, "--quiet", *options, folder)


def primary(place: Path) -> Path:
    """Return a repository's list of packages."""
    return next(place.glob("repodata/*primary.xml.gz"))


def rewrite(place: Path, changes: dict[str, str]) -> None:
    """Change the list of packages and, as a hostile mirror would, the index that vouches for it."""
    text = gzip.decompress(primary(place).read_bytes()).decode()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    for stale in place.glob("repodata/*"):
        stale.unlink()
    plain = place / "repodata" / "primary.xml"
    plain.write_text(text)
    (place / "repodata" / "repomd.xml").write_text(
        '<?xml version="1.0"?><repomd xmlns="http://linux.duke.edu/metadata/repo"></repomd>'
    )
    run("/usr/bin/modifyrepo_c", "--mdtype=primary", plain, place / "repodata")
