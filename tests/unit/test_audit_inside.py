"""The rules on what the kernel says inside a container: silent when sound, loud when altered."""

from __future__ import annotations

import pytest

from citadelle.audit import inside
from citadelle.audit.inside import KernelRule
from citadelle.audit.rights import CAPABILITIES, DATA, NOBODY, RIGHTS, Expected, expected
from citadelle.topology import GUARDS, HOLDERS, UID, Role
from tests.unit import factory

ROWS = {row.name: row for row in expected(factory.topology())}
KERNEL_RULES: tuple[KernelRule, ...] = (
    inside.accounts,
    inside.capabilities,
    inside.no_new_privileges,
    inside.system_calls,
    inside.writable_places,
)
every_container = pytest.mark.parametrize("name", ROWS)
ZERO = "0000000000000000"
ROUTES = "Iface\tDestination\tGateway\n"


def status(pid: int, parent: int, uid: int, *, caps: int = 0, bounding: int = 0) -> str:
    """Return /proc/<pid>/status of a process."""
    ids = f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
    sets = f"CapInh:\t{ZERO}\nCapPrm:\t{caps:016x}\nCapEff:\t{caps:016x}\n"
    rest = f"CapBnd:\t{bounding:016x}\nCapAmb:\t{ZERO}\nNoNewPrivs:\t1\nSeccomp:\t2\n"
    return f"Name:\tprogramme\nPid:\t{pid}\nPPid:\t{parent}\n{ids}{sets}{rest}"


def mask(names: frozenset[str]) -> int:
    """Return the kernel's number for some capabilities (linux/capability.h)."""
    return sum(1 << CAPABILITIES[name] for name in names)


def healthy(row: Expected) -> str:
    """Return what READ prints in a container that is as it must be."""
    bounding = mask(row.rights.bounding)
    processes = [
        status(pid, pid - 1, uid, caps=mask(names), bounding=bounding)
        for pid, (uid, names) in enumerate(sorted(row.rights.processes), start=1)
    ]
    # `docker exec` starts others beside process 1, with the container's own powers.
    processes.append(status(99, 0, 0, caps=mask(row.rights.added), bounding=bounding))
    mounts = ["overlay / overlay ro,relatime 0 0", "tmpfs /dev tmpfs rw,nosuid 0 0"]
    mounts += [f"tmpfs {at} tmpfs rw,nosuid,nodev,noexec 0 0" for at in row.rights.tmpfs]
    mounts += [f"disque {at} ext4 {'rw' if rw else 'ro'} 0 0" for _, at, rw in row.mounts]
    return "".join(processes) + "===\n" + "\n".join(mounts) + "\n===\n" + ROUTES


def heard(row: Expected, text: str) -> list[str]:
    """Return what all rules on the inside say."""
    found = inside.parse(text)
    return [fault for rule in KERNEL_RULES for fault in rule(row, found)]


@every_container
def test_sound_inside_is_silent(name: str) -> None:
    """No rule cries wolf, whatever the role."""
    assert heard(ROWS[name], healthy(ROWS[name])) == []


ALTERED = {
    "root process": ("Uid:\t902\t902\t902\t902", "Uid:\t0\t0\t0\t0", "comptes des processus"),
    "root to climb back to": ("Uid:\t902\t902\t902", "Uid:\t902\t902\t0", "plusieurs comptes"),
    "group of root": ("Gid:\t902", "Gid:\t0", "groupe root"),
    "effective capability": (f"CapEff:\t{ZERO}", "CapEff:\t0000000000200000", "CapEff"),
    "permitted capability": (f"CapPrm:\t{ZERO}", "CapPrm:\t0000000000200000", "CapPrm"),
    "ambient capability": (f"CapAmb:\t{ZERO}", "CapAmb:\t0000000000002000", "CapAmb"),
    "capability to regain": (f"CapBnd:\t{ZERO}", "CapBnd:\t00000000a80425fb", "CapBnd"),
    "privileges to gain": ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs = 0"),
    "no filter": ("Seccomp:\t2", "Seccomp:\t0", "Seccomp = 0"),
    "writable root": ("overlay / overlay ro", "overlay / overlay rw", "/ inscriptible"),
    "writable configuration": ("/etc/citadelle ext4 ro", "/etc/citadelle ext4 rw", "/etc/cit"),
    "programs in a tmpfs": ("nosuid,nodev,noexec", "nosuid,nodev", "sans noexec"),
    "no process 1": ("Pid:\t1\nPPid:\t0", "Pid:\t3\nPPid:\t2", "processus 1 non lu"),
}


@pytest.mark.parametrize(("before", "after", "words"), ALTERED.values(), ids=ALTERED)
def test_altered_inside_is_reported(before: str, after: str, words: str) -> None:
    """What the engine promises and the kernel does not hold is a fault."""
    text = healthy(ROWS["pg1"])
    assert before in text

    assert any(words in fault for fault in heard(ROWS["pg1"], text.replace(before, after)))


def test_gateway_s_worker_may_not_keep_the_master_s_powers() -> None:
    """The process that serves has NET_RAW alone: nothing that changes accounts."""
    gateway = ROWS["pg1-gw"]
    worker, master = UID[Role.GATEWAY], mask(RIGHTS[Role.GATEWAY].added)
    extra = status(7, 1, worker, caps=master, bounding=master)

    assert any(f"uid {worker}" in fault for fault in heard(gateway, extra + healthy(gateway)))


@pytest.mark.parametrize("name", [*HOLDERS, *GUARDS])
def test_sleeper_is_nobody_without_anything(name: str) -> None:
    """It started with NET_ADMIN; the table says that nothing of it is left."""
    rights = ROWS[name].rights
    assert {(uid, len(names)) for uid, names in rights.processes} == {(NOBODY, 0)}
    assert not rights.bounding


def test_only_data_may_be_written() -> None:
    """HAProxy has none: the same place there would be a fault."""
    text = healthy(ROWS["haproxy1"]).replace(
        "===\n" + ROUTES, f"x {DATA} ext4 rw 0 0\n===\n{ROUTES}"
    )
    assert heard(ROWS["haproxy1"], text) == [f"{DATA} inscriptible"]
