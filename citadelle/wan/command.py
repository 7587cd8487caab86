"""`invoke wan`: what the options ask for, and what the operator is told."""

from __future__ import annotations

from enum import Enum

from citadelle.errors import CitadelleError
from citadelle.progress import Steps, console
from citadelle.topology import Topology
from citadelle.wan import lab
from citadelle.wan.link import Link, parse
from citadelle.wan.state import State
from citadelle.workspace import Home


class Order(Enum):
    """What is asked for besides a slow line."""

    SHOW = "show"
    CUT = "cut"
    OFF = "off"


def wanted(  # noqa: PLR0913  # one argument per option
    latency: str, jitter: str, loss: str, rate: str, *, cut: bool, off: bool, site: str
) -> Link | Order:
    """Return what a command line asks for.

    Raises:
        CitadelleError: for options that contradict each other, or unreadable ones.
    """
    slow = any((latency, jitter, loss, rate))
    if slow + cut + off > 1:
        raise CitadelleError("--cut, --off, ou les options d'un lien lent : un seul des trois.")
    if site and not (slow or cut):
        raise CitadelleError("--site va avec --cut ou avec les options d'un lien lent.")
    if slow:
        return parse(latency, jitter, loss, rate)
    return Order.CUT if cut else Order.OFF if off else Order.SHOW


def run(topology: Topology, home: Home, asked: Link | Order, site: str = "") -> None:
    """Do it, then tell what is in place."""
    steps = Steps()
    if isinstance(asked, Link):
        with steps.step(f"Lien entre centres : {asked}"):
            lab.slow(topology, home, asked, site)
    elif asked is Order.CUT:
        with steps.step("Lien entre centres coupé"):
            lab.cut(topology, home, site)
    elif asked is Order.OFF:
        with steps.step("Lien entre centres rétabli"):
            lab.off(topology, home)
    show(lab.observe(topology, home))


def show(state: State) -> None:
    """Say what is in place, and where it is not as it should be."""
    if state.placed is None:
        console.print("Rien en place : le lien entre centres est celui de la machine.")
        return
    console.print(state.placed.title(state.topology))
    problems = state.problems()
    if problems:
        console.print("[red]Partiel[/] : relancez la même commande, ou « invoke wan --off ».")
    for problem in problems:
        console.print(f"  [red]✘[/] {problem}")
