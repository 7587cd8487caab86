"""Cuts: what is dropped, what never is, and that nothing of it stays."""

from __future__ import annotations

import pytest

from citadelle.chaos import cuts
from citadelle.errors import CitadelleError
from citadelle.topology import ATTACHED, ETCD, PG
from tests.unit import chaos_lab
from tests.unit.chaos_lab import TOPOLOGY

TABLES = {
    "isolation": cuts.isolation(TOPOLOGY),
    "etcd": cuts.from_etcd(TOPOLOGY),
    "sens unique": cuts.towards(TOPOLOGY, "pg2"),
    "lent": cuts.thin(TOPOLOGY, "pg1"),
}

every_table = pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)


def chain(text: str, name: str) -> str:
    """Return the rules of one chain."""
    return text.partition(f"chain {name} {{")[2].partition("}\n")[0]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> chaos_lab.Engine:
    """Return the engine that cuts talk to; every interface is called eth7."""
    found = chaos_lab.Engine()
    found.said = {"addr": '[{"ifname": "eth7"}]'}
    monkeypatch.setattr(cuts, "engine", found)
    return found


@every_table
def test_loopback_is_never_cut(text: str) -> None:
    """The gateway and PostgreSQL of a cut pod still talk to each other."""
    for name, rule in cuts.LOOPBACK.items():
        assert chain(text, name).splitlines()[2].strip() == rule


@every_table
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
    assert all(chain(TABLES["isolation"], hook).strip().endswith("drop") for hook in cuts.LOOPBACK)


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


def test_without_netem_the_line_is_thinned(
    engine: chaos_lab.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that cannot delay drops what is too much, and the report says so."""

    def docker(*argv: str, **options: object) -> str:
        if "netem" in argv:
            raise CitadelleError(f"Error: Specified {cuts.NO_NETEM}.")
        return chaos_lab.Engine.docker(engine, *argv, **options)

    monkeypatch.setattr(engine, "docker", docker)
    field = chaos_lab.field()
    cuts.slow(field, "pg2", "pg1")

    assert field.notes == ["noyau sans netem : débit du WAL bridé au lieu d'un retard"]
    assert "--entrypoint=nft" in engine.commands[-1]


def test_heals_every_cut_and_no_other(engine: chaos_lab.Engine) -> None:
    """The table goes, the delay goes where there is one."""
    engine.said["qdisc"] = "qdisc netem 8001: root refcnt 2"
    field = chaos_lab.field()
    field.cut = {"pg1", "etcd2"}
    cuts.heal(field)
    deleted = [argv for argv in engine.commands if argv[-2:] == ("eth7", "root")]

    assert len(deleted) == 1
    assert not any(
        f"-{node}" in word for argv in engine.commands for word in argv for node in PG[1:]
    )


def test_a_dead_container_has_no_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its namespace is gone, and the rules with it."""
    engine = chaos_lab.Engine(etcd1={"Running": False})
    monkeypatch.setattr(cuts, "engine", engine)
    field = chaos_lab.field()
    field.cut = {"etcd1"}
    cuts.heal(field)

    assert engine.commands == []
