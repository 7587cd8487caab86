"""Two primaries at once: what is one, and what only looks like it."""

from __future__ import annotations

import itertools

import pytest

from citadelle.chaos.judge import EXAMPLES, Judge, Outcome, Sample


def ack(node: str, timeline: int, started: float, ended: float) -> Sample:
    """Return an acknowledged write."""
    return Sample(node, started, ended, Outcome.ACKNOWLEDGED, node, timeline)


def judged(*samples: Sample) -> Judge:
    """Return the judge after these samples."""
    judge = Judge()
    for sample in samples:
        judge.add(sample)
    return judge


OLD = ack("pg1", 1, 0.0, 0.1)
NEW = ack("pg2", 2, 1.0, 1.1)
LATE = ack("pg1", 1, 2.0, 2.1)


def test_a_failover_is_none() -> None:
    """One server on one timeline, then another on a newer one."""
    assert judged(OLD, NEW, ack("pg2", 2, 3.0, 3.1)).violation_count == 0


@pytest.mark.parametrize("order", list(itertools.permutations((OLD, NEW, LATE))), ids=str)
def test_old_primary_that_acknowledges_again(order: tuple[Sample, ...]) -> None:
    """In whatever order the probes report: split brain, the loss of what it acknowledged."""
    found = judged(*order)

    assert found.violation_count == 1
    assert (found.violations[0].late, found.violations[0].early) == ("pg1", "pg2")


def test_zombie_never_seen_before() -> None:
    """Its first acknowledgement, after the new primary's, is enough."""
    assert judged(NEW, LATE).violation_count == 1


def test_same_timeline_on_two_servers() -> None:
    """A promotion always begins a timeline: two writers on one of them are two primaries."""
    assert judged(ack("pg1", 1, 0.0, 0.1), ack("pg2", 1, 0.2, 0.3)).violation_count == 1


def test_overlapping_writes_prove_nothing() -> None:
    """The old primary's last write may have been answered before the new one's first."""
    assert judged(ack("pg1", 1, 0.0, 1.0), ack("pg2", 2, 0.5, 0.9)).violation_count == 0


def test_primary_that_gets_its_place_back() -> None:
    """On a newer timeline: a rolling restart does so."""
    assert judged(OLD, NEW, ack("pg1", 3, 2.0, 2.1)).violation_count == 0


def test_one_server_through_several_entrances() -> None:
    """The same primary, asked itself and by a load balancer, is one."""
    entrance = Sample("haproxy1", 0.2, 0.3, Outcome.ACKNOWLEDGED, "pg1", 1)

    assert judged(OLD, entrance, LATE).violation_count == 0


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.ACKNOWLEDGED])
def test_zombie_that_commits_nothing(outcome: Outcome) -> None:
    """A woken primary that answers a query, names itself, but cannot commit, accepts no write."""
    zombie = Sample("pg1", 2.0, 2.1, outcome, "pg1", 1)

    assert judged(OLD, NEW, zombie).violation_count == 0


def test_a_promotion_is_seen() -> None:
    """By the new server's name; or, when the same one is promoted again, by its timeline."""
    assert judged(OLD, NEW).promoted
    assert judged(OLD, ack("pg1", 2, 1.0, 1.1)).promoted


def test_one_primary_throughout_is_no_promotion() -> None:
    """Whoever asks, and however many others say no."""
    entrance = Sample("haproxy1", 0.2, 0.3, Outcome.ACKNOWLEDGED, "pg1", 1)

    assert not judged(OLD, entrance, LATE, Sample("pg2", 0.0, 0.1, Outcome.REFUSED)).promoted


def test_the_count_of_attempts() -> None:
    """Acknowledged and others: a report says how often it looked."""
    found = judged(OLD, NEW, Sample("pg3", 0.0, 0.1, Outcome.REFUSED))

    assert (found.samples, found.acknowledged) == (3, 2)


def test_the_answers_of_each_probe() -> None:
    """As they are at that moment: what comes later changes another count."""
    judge = judged(OLD, Sample("pg3", 0.0, 0.1, Outcome.REFUSED))
    before = judge.tally()
    judge.add(Sample("pg3", 1.0, 1.1, Outcome.UNREACHABLE))

    assert judge.tally() - before == {("pg3", Outcome.UNREACHABLE): 1}


def test_memory_is_bounded() -> None:
    """However long two primaries last: all are counted, the first ones kept."""
    samples = itertools.chain([NEW], (ack("pg1", 1, 2.0 + n, 2.1 + n) for n in range(500)))
    found = judged(*samples)

    assert found.violation_count == 500
    assert len(found.violations) == EXAMPLES
    assert len(found._first_end) == len(found._last_start) == 2


def test_a_violation_can_be_read() -> None:
    """Who, on which timeline, how long after whom."""
    assert str(judged(NEW, LATE).violations[0]) == (
        "pg1 (timeline 1) a acquitté une écriture commencée 0.900 s après un acquittement de "
        "pg2 (timeline 2)"
    )
