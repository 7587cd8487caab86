"""What the kernel says inside a container: its processes, its files, its sockets.

The audit has readers of its own (citadelle.audit): these tests are another witness than it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address

from testinfra.host import Host

from tests.conftest import Containers

Place = tuple[str, int]

# A process may end between its listing and its reading: it is then not there any more. Process 1,
# which must be, is looked for below.
STATUSES = 'for file in /proc/[0-9]*/status; do cat "$file" 2>/dev/null; done; true'
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


@cache
def processes(container: Containers, name: str) -> tuple[dict[str, str], ...]:
    """Return /proc/<pid>/status of the container's own processes, process 1 first.

    Those of this very command are not among them.
    """
    text = container(name).check_output(STATUSES)
    found = [_fields(part) for part in ("\n" + text).split("\nName:")[1:]]
    (main,) = [fields for fields in found if fields["Pid"] == "1"]
    # By name too: what a health check leaves behind for a moment is also a child of process 1.
    return (main, *(f for f in found if (f["PPid"], f["Name"]) == ("1", main["Name"])))


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in f"Name:{text}".splitlines())
    return {key: value.strip() for key, _, value in lines}


def listeners(host: Host) -> set[Place]:
    """Return the TCP addresses that something listens on, the engine's own resolver aside."""
    found = set()
    for row in host.check_output("cat /proc/net/tcp").splitlines()[1:]:
        local, _, state = row.split()[1:4]
        if state == "0A":  # TCP_LISTEN
            address, port = local.split(":")
            found.add((str(IPv4Address(bytes.fromhex(address)[::-1])), int(port, 16)))
    return {(address, port) for address, port in found if address != "127.0.0.11"}


def ipv6_sockets(host: Host) -> str:
    """Return the lines of the kernel's IPv6 tables: empty when nothing uses IPv6.

    A kernel without IPv6 has no such table; one that is there and cannot be read is a failure.
    """
    tables = "/proc/net/tcp6 /proc/net/udp6"
    read = 'if [ -e "$table" ]; then tail -n +2 "$table"; fi'
    return str(host.check_output(f"set -e; for table in {tables}; do {read}; done"))


def strays(host: Host, owner: int) -> list[str]:
    """Return the delivered files that are not 0400, or not the owner's."""
    query = "find /etc/citadelle -type f '(' -not -perm 0400 -o -not -uid %s ')'"
    return str(host.check_output(query, str(owner))).split()


def writable(host: Host, places: Iterable[str]) -> list[str]:
    """Return the directories that take a file, whoever asks.

    Only the words "Read-only file system" count as a refusal, anything else reports the place.
    """
    files = {place: f"{place.rstrip('/')}/probe" for place in places}
    lines = host.run(f"touch {' '.join(files.values())}").stderr.splitlines()
    refused = {line.split("'")[1] for line in lines if "Read-only file system" in line}
    return [place for place, file in files.items() if file not in refused]
