"""What Patroni's own code makes of a hostile configuration, asked inside a pod."""

from __future__ import annotations

import json
from typing import Any

from citadelle import engine
from citadelle.topology import Topology

# Runs inside a pod with Patroni's interpreter: the merge is Patroni's, the cluster sees nothing.
MERGE = """
import json, logging, sys
from patroni.config import Config
logging.disable(logging.CRITICAL)
config = Config('/etc/citadelle/patroni.yml')
config.set_dynamic_configuration(json.loads(%r))
found = config.copy()
for section in ('restapi', 'etcd3', 'ctl'):
    found.pop(section, None)
found['postgresql'].pop('authentication')
found['postgresql']['parameters'] = dict(found['postgresql']['parameters'])
print(json.dumps(found))
"""


# What a replica would run if the leader's own key in etcd, ``/members/<name>``, said so.
FOLLOW = """
import json
from types import SimpleNamespace as Fake
from patroni.dcs import Member
from patroni.postgresql.config import ConfigHandler
member = Member.from_node(1, 'evil', '1', json.dumps({'restore_command': '/tmp/evil'}))
handler = Fake(
    get=lambda name: None,
    primary_conninfo_params=lambda member: None,
    _postgresql=Fake(major_version=170000),
)
print(dict(ConfigHandler.build_recovery_params(handler, member)).get('restore_command', ''))
"""


def followed(topology: Topology, node: str) -> str:
    """Return the restore_command that Patroni takes from a hostile member key."""
    container = f"{topology.settings.cluster_name}-{node}"
    argv = ("/opt/patroni/bin/python", "-")
    return engine.execute(container, *argv, stdin=FOLLOW.encode()).strip()


def merged(topology: Topology, node: str, dynamic: dict[str, Any]) -> dict[str, Any]:
    """Return Patroni's configuration as it would be with this ``/config`` in etcd."""
    script = MERGE % json.dumps(dynamic)
    container = f"{topology.settings.cluster_name}-{node}"
    output = engine.execute(container, "/opt/patroni/bin/python", "-", stdin=script.encode())
    found: dict[str, Any] = json.loads(output)
    return found
