"""The dead man's switch: a timer inside each pooler's container that resumes its databases.

Whatever happens to the operator's command, its machine or the network, no client stays paused
longer than LIMIT_SECONDS. The timer needs no password: the container's account is the console's
administrator on the private socket. A token file lets the command disarm it, so that it cannot
resume what an operator pauses on purpose later.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.poolers import CONSOLE, NOT_PAUSED, Database
from citadelle.progress import wait_until
from citadelle.topology import PGBOUNCER, Topology

# From the arming, which comes before the first PAUSE: a pause is always shorter. Not more than
# client_login_timeout (pgbouncer.ini): who connects during a pause is not cut while waiting.
LIMIT_SECONDS = 10
# What the timer counts: it then starts one psql per database.
TIMER_SECONDS = LIMIT_SECONDS - 1
# Starting a process in a container takes up to a second on two busy cores.
ARM_SECONDS = 5
# pgbouncer's private tmpfs (docker/compose.yaml); its name is the console's user on the socket.
DIRECTORY = "/run/pgbouncer"
TOKEN = f"{DIRECTORY}/citadelle.pause"

# Arguments: token file, token, seconds, socket directory, port, databases. PgBouncer refuses a
# RESUME of what is not paused: that is success. Anything else is tried again for a minute.
TIMER = f"""
set -u
file=$1 token=$2 left=$3 directory=$4 port=$5
shift 5
if [ -r "$file" ] && read -r _ other < "$file" && kill -0 "$other" 2>/dev/null; then exit 3; fi
echo "$token $$" > "$file"
while [ "$left" -gt 0 ]; do
  sleep 1
  left=$((left - 1))
  [ -r "$file" ] && read -r held _ < "$file" && [ "$held" = "$token" ] || exit 0
done
for database; do
  tries=60
  until said=$(psql --host="$directory" --port="$port" --username=pgbouncer --no-password \\
      --no-psqlrc --quiet --command="RESUME $database" {CONSOLE} 2>&1); do
    case $said in *"{NOT_PAUSED}"*) break ;; esac
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || break
    sleep 1
  done
done
rm -f "$file"
"""
# Arguments: token file, token. Succeeds when this token's timer is alive.
ARMED = '[ -r "$1" ] && read -r held pid < "$1" && [ "$held" = "$2" ] && kill -0 "$pid"'
# The same arguments. Another command's token stays.
DISARM = '[ ! -r "$1" ] || { read -r held _ < "$1" && [ "$held" != "$2" ]; } || rm -f "$1"'


@dataclass(frozen=True)
class Switch:
    """The timers of one command, one in each pooler's container."""

    topology: Topology
    token: str

    def disarm(self) -> None:
        """Put every timer out; a dead container has none left."""
        _everywhere(lambda pooler: _sh(self.topology, pooler, DISARM, TOKEN, self.token))


def arm(topology: Topology, databases: Sequence[Database]) -> Switch:
    """Start the timers and return once each was seen alive.

    Raises:
        CitadelleError: when one does not start: another command may be pausing; nothing was
            paused by this one, and the timers that did start will find nothing to resume.
    """
    switch = Switch(topology, uuid.uuid4().hex)
    _everywhere(lambda pooler: _start(switch, pooler, databases))
    _everywhere(lambda pooler: _wait_armed(switch, pooler))
    return switch


def timer_arguments(switch: Switch, databases: Sequence[Database], pooler: str) -> list[str]:
    """Return what the timer of one pooler is given; no secret among it."""
    port = str(switch.topology.settings.pgbouncer_port)
    mine = [d.name for d in databases if d.pooler == pooler]
    return [TOKEN, switch.token, str(TIMER_SECONDS), DIRECTORY, port, *mine]


def _start(switch: Switch, pooler: str, databases: Sequence[Database]) -> None:
    container = _container(switch.topology, pooler)
    arguments = timer_arguments(switch, databases, pooler)
    engine.docker("exec", "--detach", container, "sh", "-c", TIMER, "garde", *arguments)


def _wait_armed(switch: Switch, pooler: str) -> None:
    def missing() -> str | None:
        try:
            _sh(switch.topology, pooler, ARMED, TOKEN, switch.token)
        except CitadelleError:
            return "pas de minuterie, ou celle d'une autre commande"
        return None

    advice = f"Une autre bascule en cours ? Sinon : réessayez dans {LIMIT_SECONDS} s."
    wait_until(missing, f"Garde de {pooler}", ARM_SECONDS, advice, poll=0.1)


def _sh(topology: Topology, pooler: str, script: str, *arguments: str) -> None:
    engine.execute(_container(topology, pooler), "sh", "-c", script, "garde", *arguments)


def _container(topology: Topology, pooler: str) -> str:
    return f"{topology.settings.cluster_name}-{pooler}"


def _everywhere(work: Callable[[str], None]) -> None:
    """Do it for every pooler at once; raise the first error when all have ended."""
    with ThreadPoolExecutor(len(PGBOUNCER)) as pool:
        for future in [pool.submit(work, pooler) for pooler in PGBOUNCER]:
            future.result()
