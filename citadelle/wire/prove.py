"""`invoke prove.wire`: bring a cluster up under capture, play the scenario, judge every byte."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from citadelle import lifecycle, sandbox
from citadelle.audit import versions
from citadelle.audit.control import Cluster
from citadelle.progress import Steps, console
from citadelle.settings import FIELDS, Settings
from citadelle.topology import Topology
from citadelle.wire import report, witness
from citadelle.wire.capture import capturing
from citadelle.wire.needles import SHORTEST
from citadelle.wire.scenario import Scenario
from citadelle.wire.verdict import Result, analyse
from citadelle.workspace import Home

PURPOSE = "wire"


def on_a_cluster_apart(reports: Path) -> Result:
    """Do it on a cluster made for it and removed afterwards; the user's is not touched."""
    topology, home = sandbox.prepare(PURPOSE)
    console.print(f"Cluster à part : « {topology.settings.cluster_name} ».")
    try:
        return run(topology, home, reports)
    finally:
        sandbox.remove(home)


def run(topology: Topology, home: Home, reports: Path) -> Result:
    """Watch a cluster that does not run yet, from its first packet on; leave it running.

    Raises:
        CitadelleError: when the scenario or a capture does not go through: nothing is proven.
    """
    report.forget(reports)
    lifecycle.create(topology, home)
    canary = f"CANARI-{secrets.token_hex(12)}"
    scenario = Scenario(topology, home, canary, known(topology.settings, canary))
    directory = home.build / "wire"
    steps = Steps()
    try:
        with capturing(topology, home, directory, canary.encode()) as captures:
            with steps.step("Cluster monté depuis rien"):
                lifecycle.up(topology, home)
            scenario.run(steps)
            with steps.step("Témoin en clair sur chaque réseau"):
                witness.speak(topology, home, canary.encode())
        with steps.step("Analyse de chaque flux"):
            result = analyse(topology, captures, scenario.canaries, witness.port(topology))
        reports.mkdir(parents=True, exist_ok=True)
        report.write(result, steps.durations, reports, versions.all_said(Cluster(topology, home)))
        return result
    finally:
        # Only ciphertext, if all is well; if not, what should not be kept.
        shutil.rmtree(directory, ignore_errors=True)


def known(settings: Settings, canary: str) -> dict[str, bytes]:
    """Return what must never be readable, by the name under which a report may show it.

    A user's name shorter than SHORTEST is left out: ciphertext would hold it by chance. A secret
    never is: one that is too short makes Needles refuse.
    """
    found = {"donnée et texte SQL": canary.encode()}
    for name, secret in settings.secrets().items():
        found[name] = secret.reveal().encode()
    for name, field in FIELDS.items():
        if field.metadata["kind"] == "user":
            value = getattr(settings, field.name).encode()
            found |= {name: value} if len(value) >= SHORTEST else {}
    return found
