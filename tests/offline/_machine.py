"""A machine without a network: its own processes, mounts, devices and engine, gone when it ends.

Its processes share nothing with this machine but the kernel and what is installed in /usr. They
all die with the first one, whatever happens to the tests: that is what a PID namespace does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from citadelle.progress import wait_until
from citadelle.workspace import ROOT

# Named deadlines, in seconds, for a loaded machine of two cores.
MACHINE_SECONDS = 30
ENGINE_SECONDS = 120
COMMAND_SECONDS = 1200
# Apart from the cgroups of this machine's own engine.
CGROUP = "citadelle-hors-ligne"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where the bundle is plugged in, and what is hidden from the machine: this one's checkout, home,
# engine, containers, and whatever says how names are resolved.
BUNDLE = "/mnt"
# Of this machine's engine, nothing: its settings may name its data.
SETTINGS = "/run/daemon.json"
BOOT = """
set -eu
bundle=$1 state=$2 checkout=$3
mount --make-rprivate /
mkdir -p "$state/docker" "$state/opt"
mkdir -p /var/lib/docker /opt
mount --bind "$bundle" /mnt
mount -o remount,bind,ro /mnt
mount --bind "$state/docker" /var/lib/docker
mount --bind "$state/opt" /opt
mount -t tmpfs -o mode=0755 tmpfs /run
for hidden in "$checkout" /root /home; do mount -t tmpfs -o mode=0700 tmpfs "$hidden"; done
: > /run/resolv.conf
echo '{}' > /run/daemon.json
mount --bind /run/resolv.conf /etc/resolv.conf
mount -t proc proc /proc
ip link set lo up
echo ready
exec python3 -c 'import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True: signal.pause()'
"""


@dataclass
class Machine:
    """The first process of the machine, through which every other one enters."""

    init: subprocess.Popen[str]
    bundle: Path
    state: Path
    engine: subprocess.Popen[str] | None = None

    @property
    def inside(self) -> list[str]:
        """Return the start of a command line that enters the machine."""
        pid = _child(self.init.pid)
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--ipc", "--uts"]

    def run(
        self, *argv: str, cwd: str = "/", seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there, in an environment as empty as after a login."""
        clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
        shell = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", cwd]
        return subprocess.run(
            [*self.inside, *clean, *shell, *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start_engine(self) -> None:
        """Start the machine's engine, and wait until it answers."""
        log = self.state / "dockerd.log"
        options = [
            f"--config-file={SETTINGS}",
            f"--cgroup-parent=/{CGROUP}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
        ]
        with log.open("ab") as output:
            self.engine = subprocess.Popen(
                [*self.inside, "env", "-i", f"PATH={PATH}", "dockerd", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

        def missing() -> str | None:
            done = self.run("docker", "version", seconds=ENGINE_SECONDS)
            return None if done.returncode == 0 else done.stdout.strip()

        wait_until(missing, "Moteur de la machine isolée", ENGINE_SECONDS, f"Voir {log}.")

    def cut_power(self) -> None:
        """End every process at once; the disk stays as it is."""
        # Its first process: unshare, which waits for it, ends once the whole machine is gone.
        os.kill(_child(self.init.pid), signal.SIGKILL)
        for process in (self.init, *([self.engine] if self.engine else [])):
            process.wait(MACHINE_SECONDS)
        if self.init.stdout:
            self.init.stdout.close()
        for top in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"):
            for folder in sorted((*top.rglob("*/"), top), reverse=True):
                folder.rmdir()

    def restart(self) -> None:
        """Cut the power, then start the machine and its engine on the same disk."""
        self.cut_power()
        self.init = _boot(self.bundle, self.state)
        self.start_engine()

    def stop(self) -> None:
        """Cut the power, then forget the disk."""
        self.cut_power()
        shutil.rmtree(self.state)


def start(bundle: Path, state: Path) -> Machine:
    """Start a machine that sees the bundle, and has a disk of its own below ``state``."""
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    return Machine(_boot(bundle, state), bundle, state)


def _boot(bundle: Path, state: Path) -> subprocess.Popen[str]:
    """Start the first process, and wait until it has laid out what the machine sees."""
    spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    # It ends with these tests even when they are killed.
    outside = ["setpriv", "--pdeathsig=KILL", "unshare", *spaces]
    inside = ["sh", "-c", BOOT, "sh", str(bundle), str(state), str(ROOT)]
    init = subprocess.Popen([*outside, *inside], stdout=subprocess.PIPE, text=True)
    assert init.stdout is not None
    said = init.stdout.readline()
    assert said == "ready\n", said
    return init


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
