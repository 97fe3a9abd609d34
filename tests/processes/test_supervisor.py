"""Who is started, killed and given up when, in times that the test decides."""

from __future__ import annotations

from montra.processes.supervisor import NEVER_NS, Kill, Phase, Start, Supervisor, SupervisorSettings
from zone_store.captures import Loss

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND


def at(seconds: float) -> int:
    return BEGIN + round(seconds * SECOND)


def quiet(supervisor: Supervisor, begin: float, end: float) -> None:
    """Look twice a second from one time to another; nothing is to be done."""
    for half in range(round(2 * begin), round(2 * end)):
        assert supervisor.tick(at(half / 2)) == []


def running(workers: int = 2, **settings: float) -> Supervisor:
    supervisor = Supervisor(workers, BEGIN, SupervisorSettings(**settings))  # type: ignore[arg-type]
    assert supervisor.tick(at(0)) == [Start(slot, 0) for slot in range(workers)]
    for slot in range(workers):
        supervisor.ready(at(1), slot)
    return supervisor


def test_all_are_started_at_once_and_only_once() -> None:
    supervisor = Supervisor(3, BEGIN)
    assert supervisor.tick(at(0)) == [Start(0, 0), Start(1, 0), Start(2, 0)]
    assert supervisor.tick(at(0.2)) == []
    assert {supervisor.phase(slot) for slot in range(3)} == {Phase.STARTING}


def test_a_quiet_start_is_no_gap() -> None:
    supervisor = running()
    assert supervisor.take_losses() == []
    supervisor.end(at(60))
    assert supervisor.take_losses() == []


def test_the_gap_lasts_from_what_is_on_disk_to_the_next_that_is_ready() -> None:
    supervisor = running()
    supervisor.heard(at(5), 1, at(3))
    supervisor.died(at(5.5), 1)
    assert supervisor.take_losses() == []
    assert supervisor.tick(at(5.9)) == []
    assert supervisor.alone == 1
    assert supervisor.tick(at(6)) == [Start(1, 1)]
    assert supervisor.alone == 1
    supervisor.ready(at(7.5), 1)
    assert supervisor.alone == 0
    assert supervisor.take_losses() == [Loss("partly_running", at(3), at(7.5), 1)]
    assert supervisor.take_losses() == []
    assert (supervisor.phase(0), supervisor.deaths) == (Phase.RUNNING, 1)


def test_who_says_nothing_for_long_is_killed_once_and_replaced_when_it_is_gone() -> None:
    supervisor = running(1, hung_s=10)
    supervisor.heard(at(4), 0, at(4))
    assert supervisor.due() == at(14)
    quiet(supervisor, 1, 14)
    assert supervisor.tick(at(14)) == [Kill(0, "gave no sign of life for 10 s")]
    assert supervisor.tick(at(100)) == [], "it is started again only when the old one is gone"
    supervisor.heard(at(101), 0, at(101))
    supervisor.died(at(102), 0)
    assert supervisor.tick(at(102.5)) == [Start(0, 1)]
    supervisor.ready(at(103), 0)
    assert supervisor.take_losses() == [Loss("partly_running", at(4), at(103), 1)]


def test_who_is_never_ready_is_killed() -> None:
    supervisor = Supervisor(1, BEGIN, SupervisorSettings(start_s=30))
    supervisor.tick(at(0))
    quiet(supervisor, 0.5, 30)
    assert supervisor.tick(at(30)) == [Kill(0, "was not ready for 30 s")]


def test_who_dies_before_it_was_ready_leaves_a_gap_from_the_beginning() -> None:
    supervisor = Supervisor(1, BEGIN)
    supervisor.tick(at(0))
    supervisor.died(at(1), 0)
    supervisor.tick(at(1.5))
    supervisor.ready(at(3), 0)
    assert supervisor.take_losses() == [Loss("partly_running", BEGIN, at(3), 1)]


def test_one_gap_spans_several_deaths() -> None:
    supervisor = running(1)
    supervisor.heard(at(2), 0, at(2))
    supervisor.died(at(3), 0)
    assert supervisor.tick(at(3.5)) == [Start(0, 1)]
    supervisor.died(at(4), 0)
    assert supervisor.tick(at(4.5)) == [], "the rest doubles"
    assert supervisor.tick(at(5)) == [Start(0, 2)]
    supervisor.ready(at(6), 0)
    assert supervisor.take_losses() == [Loss("partly_running", at(2), at(6), 1)]


def test_rests_double_up_to_a_maximum_and_deaths_are_bounded() -> None:
    supervisor = running(2, first_rest_s=1, longest_rest_s=4, most_deaths=4, within_s=600)
    now, rests = 10.0, []
    for _ in range(4):
        supervisor.died(at(now), 0)
        rests.append((supervisor.due() - at(now)) / SECOND)
        now += rests[-1]
        supervisor.heard(at(now), 1, at(now))
        assert [type(action) for action in supervisor.tick(at(now))] == [Start]
    assert rests == [1, 2, 4, 4]
    supervisor.died(at(now), 0)
    assert supervisor.phase(0) is Phase.GIVEN_UP
    assert not supervisor.hopeless
    supervisor.heard(at(now), 1, at(now))
    assert not [a for a in supervisor.tick(at(now + 5)) if isinstance(a, Start)]
    supervisor.end(at(now + 60))
    (gap,) = supervisor.take_losses()
    assert (gap.begin_ns, gap.end_ns) == (at(1), at(now + 60)), "who is given up is alone to the end"


def test_deaths_of_long_ago_do_not_count() -> None:
    supervisor = running(1, most_deaths=1, within_s=100)
    for death in range(5):
        now = 10 + 200 * death
        supervisor.died(at(now), 0)
        assert supervisor.tick(at(now + 0.5)) == [Start(0, death + 1)]
        supervisor.ready(at(now + 1), 0)
        supervisor.heard(at(now + 199), 0, at(now + 199))
    assert supervisor.deaths == 5


def test_without_anybody_left_it_is_hopeless() -> None:
    supervisor = running(2, most_deaths=0)
    supervisor.died(at(2), 0)
    assert not supervisor.hopeless
    supervisor.died(at(2), 1)
    assert supervisor.hopeless
    assert supervisor.due() == NEVER_NS
    assert supervisor.tick(at(1000)) == []


def test_what_is_on_disk_never_goes_back_nor_beyond_now() -> None:
    supervisor = running(1)
    supervisor.heard(at(5), 0, at(4))
    supervisor.heard(at(6), 0, at(2))
    supervisor.heard(at(6.5), 0, at(99))
    supervisor.died(at(7), 0)
    supervisor.end(at(8))
    assert supervisor.take_losses() == [Loss("partly_running", at(6.5), at(8), 1)]


def test_a_death_is_told_only_once() -> None:
    supervisor = running(1)
    supervisor.died(at(2), 0)
    supervisor.died(at(2.1), 0)
    assert supervisor.deaths == 1


def test_a_parent_that_slept_does_not_take_its_workers_for_dead() -> None:
    supervisor = running(2, hung_s=10)
    quiet(supervisor, 1, 5)
    assert supervisor.tick(at(500)) == []
    supervisor.heard(at(500.1), 0, at(500))
    quiet(supervisor, 500.5, 505)
    # one of them really is: it has what was left of its ten seconds
    for half in range(1010, 1030):
        killed = supervisor.tick(at(half / 2))
        if killed:
            break
    assert killed == [Kill(1, "gave no sign of life for 10 s")]
    assert half / 2 == 505.5
