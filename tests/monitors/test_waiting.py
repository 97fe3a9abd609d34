from __future__ import annotations

from montra.monitors.roster import Target
from montra.monitors.waiting import WaitingList
from montra.monitors.wheel import NEVER

MS = 1_000_000


def target(number: int, ip: int = 0) -> Target:
    return Target(bytes((number,)), ip or number, 7000, 0, 0)


def numbers(targets: list[Target]) -> list[int]:
    return [t.node_id[0] for t in targets]


def test_targets_found_together_come_in_id_order_a_round_later() -> None:
    waiting = WaitingList(rate=50, max_waiting=10)
    assert waiting.due_ns() == NEVER
    for number in (9, 3, 7, 1):
        assert waiting.add(5 * MS, target(number))
    assert waiting.due_ns() == 105 * MS
    assert waiting.take(104 * MS) == []
    assert numbers(waiting.take(105 * MS)) == [1, 3, 7, 9]
    assert waiting.due_ns() == NEVER


def test_the_rate_holds_whatever_it_is() -> None:
    for rate in (3.0, 50.0, 250.0):
        waiting = WaitingList(rate, max_waiting=1000)
        for number in range(1, 1001):
            waiting.add(0, Target(number.to_bytes(2, "big"), number, 7000, 0, 0))
        taken, now = 0, 0
        while now < 2_000 * MS:
            now = waiting.due_ns()
            taken += len(waiting.take(now))
            assert taken <= rate * now / 1e9 + max(1, rate * 0.1)
        assert taken >= 2 * rate * 0.9


def test_who_comes_behind_the_sweep_waits_for_the_next_one() -> None:
    waiting = WaitingList(rate=10, max_waiting=10)
    for number in (20, 30, 40):
        waiting.add(0, target(number))
    assert numbers(waiting.take(100 * MS)) == [20]
    waiting.add(150 * MS, target(10))
    waiting.add(150 * MS, target(35))
    order = [numbers(waiting.take(i * 100 * MS))[0] for i in range(2, 6)]
    assert order == [30, 35, 40, 10]


def test_who_is_discarded_or_replaced_is_not_handed_out() -> None:
    waiting = WaitingList(rate=100, max_waiting=10)
    for number in (1, 2, 3):
        waiting.add(0, target(number))
    waiting.discard(2, 7000)
    waiting.discard(2, 7000)
    waiting.add(0, target(9, ip=1))
    taken = waiting.get(1, 7000)
    assert taken is not None
    assert taken.node_id == b"\x09"
    assert numbers(waiting.take(100 * MS)) == [3, 9]


def test_no_more_wait_than_allowed() -> None:
    waiting = WaitingList(rate=10, max_waiting=2)
    assert [waiting.add(0, target(n)) for n in (1, 2, 3)] == [True, True, False]
    assert waiting.add(0, target(5, ip=2))
    assert len(waiting) == 2
    assert numbers(waiting.take(100 * MS) + waiting.take(200 * MS)) == [1, 5]


def test_a_target_comes_out_as_it_went_in() -> None:
    waiting = WaitingList(rate=100, max_waiting=10)
    went = Target(b"\xa4\x00", 2**32 - 1, 65535, 2**32 - 1, 1_700_000_000 * 10**9, frozenset((3, 9)), 2, 4)
    waiting.add(0, went)
    assert waiting.get(went.ip, went.port) == went
    assert waiting.take(100 * MS) == [went]
    waiting.add(200 * MS, plain := Target(b"\xa4\x00", 1, 2, 0, 5))
    assert waiting.take(300 * MS) == [plain]


def test_a_blocked_list_keeps_its_order_until_there_is_room() -> None:
    waiting = WaitingList(rate=100, max_waiting=10)
    for number in (1, 2, 3, 4):
        waiting.add(0, target(number))
    first = waiting.take(100 * MS)
    waiting.block(first[2:])
    assert waiting.due_ns() == NEVER
    assert waiting.take(900 * MS) == []
    assert len(waiting) == 2
    waiting.unblock()
    assert waiting.due_ns() == 200 * MS
    assert numbers(waiting.take(900 * MS)) == [3, 4]
    waiting.add(900 * MS, target(1))
    waiting.clear()
    assert (len(waiting), waiting.due_ns()) == (0, NEVER)
