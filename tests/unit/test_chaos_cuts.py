"""Cuts: what is dropped, what never is, and that nothing of it stays."""

from __future__ import annotations

import json

import pytest

from citadelle import namespace, pki
from citadelle.chaos import cuts
from citadelle.errors import CitadelleError
from citadelle.topology import ATTACHED, ETCD, PG
from citadelle.wan import line, netem
from tests.unit import chaos_lab
from tests.unit.chaos_lab import TOPOLOGY

TABLES = {
    "isolation": cuts.isolation(TOPOLOGY),
    "etcd": cuts.from_etcd(TOPOLOGY),
    "sens unique": cuts.towards(TOPOLOGY, "pg2"),
}
SLOWED = {"ligne": cuts.delayed(TOPOLOGY, "pg1"), "netem": cuts.classed(TOPOLOGY, "pg1")}

EVERY = TABLES | SLOWED
every_table = pytest.mark.parametrize("text", EVERY.values(), ids=EVERY)


def chain(text: str, name: str) -> str:
    """Return the rules of one chain."""
    return text.partition(f"chain {name} {{")[2].partition("}\n")[0]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> chaos_lab.Engine:
    """Return the engine that cuts talk to; the kernel has netem."""
    found = chaos_lab.Engine()
    use(found, monkeypatch)
    return found


def use(engine: chaos_lab.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that a cut uses talk to this engine; the certificates are not looked at."""
    for module in (namespace, line, netem):
        monkeypatch.setattr(module, "engine", engine)
    monkeypatch.setattr(pki, "fingerprint", lambda _home: "ca")


@every_table
def test_loopback_is_never_cut(text: str) -> None:
    """The gateway and PostgreSQL of a cut pod still talk to each other."""
    for name, rule in namespace.LOOPBACK.items():
        assert chain(text, name).splitlines()[2].strip() == rule


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_packets_are_dropped_not_refused(text: str) -> None:
    """A cut cable tells nobody: timeouts are what is tested."""
    assert "reject" not in text
    assert "drop" in text


@every_table
def test_a_table_of_our_own(text: str) -> None:
    """A pooler's pod has its own filter: it is not touched."""
    assert text.startswith(f"table {cuts.TABLE} {{")
    assert cuts.CLEAR.endswith(f"delete table {cuts.TABLE}\n")


def test_isolation_lets_the_watcher_in() -> None:
    """To PostgreSQL alone: otherwise nobody would know whether the pod takes writes."""
    address, port = TOPOLOGY.gateway_address("pg"), TOPOLOGY.settings.pg_port
    accepted = [line.strip() for line in TABLES["isolation"].splitlines() if "accept" in line]

    assert f"ip saddr {address} tcp dport {port} accept" in accepted
    assert f"ip daddr {address} tcp sport {port} accept" in accepted
    assert all(
        chain(TABLES["isolation"], hook).strip().endswith("drop") for hook in namespace.LOOPBACK
    )


def test_etcd_is_cut_in_both_directions() -> None:
    """Every member, by every address."""
    for member in ETCD:
        address = str(TOPOLOGY.address(member, "dcs"))
        assert address in chain(TABLES["etcd"], "input")
        assert address in chain(TABLES["etcd"], "output")


@pytest.mark.parametrize("network", ATTACHED["pg"])
def test_one_way(network: str) -> None:
    """What leaves for the replica is dropped on every network; what it sends arrives."""
    address = str(TOPOLOGY.address("pg2", network))

    assert address in chain(TABLES["sens unique"], "output")
    assert "drop" not in chain(TABLES["sens unique"], "input")


def test_remembered_before_it_is_made(engine: chaos_lab.Engine) -> None:
    """A cut that fails half way is healed too."""
    engine.refused = ("run",)
    field = chaos_lab.field()

    with pytest.raises(CitadelleError):
        cuts.apply(field, "pg1", TABLES["etcd"])
    assert field.cut == {"pg1"}


def test_the_helper_has_one_right(engine: chaos_lab.Engine) -> None:
    """In the pod's network, with NET_ADMIN alone; the component gets nothing."""
    cuts.apply(chaos_lab.field(), "pg1", TABLES["etcd"])
    argv = engine.commands[0]
    network = f"--network=container:{TOPOLOGY.settings.cluster_name}-pg1-net"

    assert {network, "--rm", "--cap-drop=ALL", "--read-only"} < set(argv)
    assert [word for word in argv if word.startswith("--cap-add")] == ["--cap-add=NET_ADMIN"]


def test_without_netem_a_line_delays(
    engine: chaos_lab.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes from the primary waits in a side container, and the report says so."""
    monkeypatch.setattr(netem, "available", lambda _image: False)
    engine.said["cat"] = "a queue"
    field = chaos_lab.field()
    cuts.slow(field, "pg2", "pg1")
    started = next(argv for argv in engine.commands if "--detach" in argv)

    assert field.notes == ["noyau sans netem : retard fait par une ligne à retard (NFQUEUE)"]
    assert started[-4:] == ("100", "20", "0", "0")
    assert "--label=fr.citadelle.line=chaos" in started


def test_a_line_of_invoke_wan_is_left_alone(
    engine: chaos_lab.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One queue per machine: the fault gives up, and says what to do."""
    monkeypatch.setattr(netem, "available", lambda _image: False)
    engine.lines["wan"] = [line.name(TOPOLOGY, "pg2")]

    with pytest.raises(CitadelleError, match="invoke wan --off"):
        cuts.slow(chaos_lab.field(), "pg2", "pg1")
    assert not any("--detach" in argv for argv in engine.commands)


def test_netem_delays_what_leaves_for_the_primary(engine: chaos_lab.Engine) -> None:
    """In a class of our own, by the kernel."""
    engine.said["addr"] = addresses("pg2")
    cuts.slow(chaos_lab.field(), "pg2", "pg1")
    batch = engine.inputs[-1]

    assert "netem limit 20000 delay 100000us 20000us" in batch
    assert all(cuts.CLASS in line_ for line_ in batch.splitlines()[1:3])


def addresses(node: str) -> str:
    """Return what `ip -json addr` says inside a node."""
    rows = [
        {"ifname": f"eth{number}", "addr_info": [{"local": str(TOPOLOGY.address(node, network))}]}
        for number, network in enumerate(ATTACHED["pg"])
    ]
    return json.dumps(rows)


def test_heals_every_cut_and_no_other(engine: chaos_lab.Engine) -> None:
    """The table goes, our class goes where there is one, that of `invoke wan` stays."""
    engine.said["qdisc"] = json.dumps(
        [{"dev": "eth7", "handle": "c4a:"}, {"dev": "eth8", "handle": "c17:"}]
    )
    field = chaos_lab.field()
    field.cut = {"pg1", "etcd2"}
    cuts.heal(field)

    assert engine.inputs.count(cuts.CLEAR) == len(field.cut)
    assert engine.inputs[-1] == "qdisc del dev eth7 root\n"
    assert not any(
        f"-{node}" in word for argv in engine.commands for word in argv for node in PG[1:]
    )


def test_heals_a_delay_line(engine: chaos_lab.Engine) -> None:
    """The container goes, and the rule that filled its queue."""
    engine.said["qdisc"] = "[]"
    engine.lines["chaos"] = [line.name(TOPOLOGY, "pg2")]
    field = chaos_lab.field()
    field.cut = {"pg2"}
    cuts.heal(field)

    assert engine.inputs == [cuts.CLEAR + line.CLEARED, ""]
    assert engine.commands[-1] == ("rm", "--force", line.name(TOPOLOGY, "pg2"))


def test_a_dead_container_has_no_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its namespace is gone, and the rules with it."""
    engine = chaos_lab.Engine(etcd1={"Running": False})
    use(engine, monkeypatch)
    field = chaos_lab.field()
    field.cut = {"etcd1"}
    cuts.heal(field)

    assert engine.commands == []
