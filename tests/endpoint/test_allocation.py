from __future__ import annotations

import bisect
import random
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from montra.endpoint.allocation import NEAR, WINDOW, Allocation


def target(number: int) -> bytes:
    return number.to_bytes(20, "big")


def begins(subnets: int, addresses: int) -> list[int]:
    return [i * addresses for i in range(subnets + 1)]


def test_fills_every_slot_once_and_then_nothing() -> None:
    allocation = Allocation(begins(3, 2), 4)
    slots = [allocation.take(target(i * 7919 % 1000), frozenset()) for i in range(24)]
    assert sorted(slot for slot in slots if slot is not None) == list(range(24))
    assert len(allocation) == 24
    assert allocation.take(target(5), frozenset()) is None
    allocation.give_back(13)
    assert len(allocation) == 23
    assert allocation.take(target(999), frozenset()) == 13


def test_takes_the_subnet_whose_nearest_holder_is_farthest() -> None:
    allocation = Allocation(begins(3, 1), 10)
    slots = [allocation.take(target(i), frozenset()) for i in (10, 20, 30)]
    assert slots == [0, 10, 20]  # subnets 0, 1, 2 in ID order
    # between 10 and 20: subnets 0 and 1 are neighbours, 2 is one farther
    assert allocation.take(target(15), frozenset()) == 21
    # order is now 0 2 1 2; below all: subnet 1 is the third neighbour
    assert allocation.take(target(5), frozenset()) == 11


def test_ids_in_order_are_dealt_round_robin() -> None:
    allocation = Allocation(begins(16, 4), 8)
    subnets = [(allocation.take(target(i), frozenset()) or 0) // 32 for i in range(320)]
    assert subnets[:16] == list(range(16))
    for i in range(320 - 16):
        assert len(set(subnets[i : i + 16])) == 16


def test_prefers_unused_addresses_then_the_farthest_one() -> None:
    allocation = Allocation([0, 4], 3)
    first = [allocation.take(target(i * 10), frozenset()) for i in range(4)]
    assert first == [0, 3, 6, 9]  # port 0 of every address
    # beside target 0 (address 0): address 3 is the farthest in ID order
    assert allocation.take(target(1), frozenset()) == 10


def test_avoided_addresses_are_not_offered_and_their_subnets_come_last() -> None:
    allocation = Allocation(begins(2, 2), 1)
    assert allocation.take(target(1), {0}) == 2  # subnet 1 although subnet 0 has address 1 free
    assert allocation.take(target(2), {0, 3}) == 1
    assert allocation.take(target(3), {0, 3}) is None
    assert allocation.take(target(3), {0}) == 3


def test_unknown_slot_cannot_be_given_back() -> None:
    allocation = Allocation([0, 4], 3)
    with pytest.raises(KeyError):
        allocation.give_back(0)


def test_several_holders_of_one_target_id() -> None:
    allocation = Allocation([0, 4], 3)
    slots = [allocation.take(target(1), frozenset()) for _ in range(12)]
    for slot in slots[::2]:
        assert slot is not None
        allocation.give_back(slot)
    assert len(allocation) == 6


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 5), st.integers(0, 1 << 30))
def test_neighbours_never_share_a_subnet_while_there_is_room(
    subnets: int, addresses: int, ports: int, seed: int
) -> None:
    """2d neighbours show at most 2d subnets, so with G open subnets the chosen one is ceil(G / 2) away or more."""
    rng = random.Random(seed)
    allocation = Allocation(begins(subnets, addresses), ports)
    order: list[tuple[bytes, int]] = []  # (target, subnet)
    load = [0] * subnets
    per_subnet = addresses * ports
    slots: dict[int, bytes] = {}
    for _ in range(min(300, subnets * per_subnet)):
        if slots and rng.random() < 0.2:
            slot = rng.choice(sorted(slots))
            allocation.give_back(slot)
            order.remove((slots.pop(slot), slot // per_subnet))
            load[slot // per_subnet] -= 1
        key = rng.randbytes(20)
        still_open = sum(n < per_subnet for n in load)
        taken = allocation.take(key, frozenset())
        assert taken is not None
        assert taken not in slots
        at = sum(holder < (key,) for holder in order)
        away = (still_open + 1) // 2 - 1
        near = order[max(0, at - away) : at + away]
        assert taken // per_subnet not in {subnet for _, subnet in near}
        order.insert(at, (key, taken // per_subnet))
        slots[taken] = key
        load[taken // per_subnet] += 1


class Plainly:
    """The same deal done plainly: all holders in one sorted list, all choices compared one by one."""

    def __init__(self, begins: list[int], ports: int) -> None:
        self.begins, self.ports = begins, ports
        self.holders: list[tuple[bytes, int]] = []

    def subnet(self, slot: int) -> int:
        return bisect.bisect_right(self.begins, slot // self.ports) - 1

    def take(self, key: bytes, avoid: frozenset[int]) -> int | None:
        slots = {slot for _, slot in self.holders}
        load = [0] * (len(self.begins) - 1)
        for slot in slots:
            load[self.subnet(slot)] += 1
        room = [(b - a) * self.ports for a, b in pairwise(self.begins)]
        opened = {i for i, used in enumerate(load) if used < room[i]}
        at = bisect.bisect_left(self.holders, (key, 0))
        subnets: dict[int, int] = {}
        ranks: dict[int, int] = {}
        for distance in range(1, WINDOW + 1):
            if distance > NEAR and opened <= subnets.keys():
                break
            for i in (at - distance, at + distance - 1):
                if 0 <= i < len(self.holders):
                    subnets.setdefault(self.subnet(self.holders[i][1]), distance)
                    ranks.setdefault(self.holders[i][1] // self.ports, distance)
        avoided = {self.subnet(rank * self.ports) for rank in avoid}
        for subnet in sorted(opened, key=lambda i: (i in avoided, -subnets.get(i, WINDOW + 1), load[i], i)):
            choices = []
            for rank in range(self.begins[subnet], self.begins[subnet + 1]):
                free = [slot for slot in range(rank * self.ports, (rank + 1) * self.ports) if slot not in slots]
                if free and rank not in avoid:
                    used = self.ports - len(free)
                    choices.append((used > 0, -ranks.get(rank, WINDOW) * (used > 0), used, rank, free[0]))
            if choices:
                slot = min(choices)[-1]
                bisect.insort(self.holders, (key, slot))
                return slot
        return None

    def give_back(self, slot: int) -> None:
        self.holders = [holder for holder in self.holders if holder[1] != slot]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=40),
    st.integers(1, 6),
    st.sampled_from((20, 2, 1)),
    st.integers(0, 1 << 30),
)
def test_deals_as_the_plain_way_does(sizes: list[int], ports: int, random_bytes: int, seed: int) -> None:
    rng = random.Random(seed)
    starts = [0, *accumulate(sizes)]
    allocation, plainly = Allocation(starts, ports), Plainly(starts, ports)
    held: list[int] = []
    for _ in range(150):
        if held and rng.random() < 0.3:
            slot = held.pop(rng.randrange(len(held)))
            allocation.give_back(slot)
            plainly.give_back(slot)
        avoid = frozenset(slot // ports for slot in rng.sample(held, min(len(held), rng.choice((0, 0, 1, 3)))))
        key = bytes(20 - random_bytes) + rng.randbytes(random_bytes)
        taken = allocation.take(key, avoid)
        assert taken == plainly.take(key, avoid)
        held += [] if taken is None else [taken]


def test_the_same_calls_give_the_same_slots() -> None:
    def play() -> list[int | None]:
        rng = random.Random(7)
        allocation = Allocation(begins(20, 3), 2)
        got: list[int | None] = []
        for step in range(150):
            got.append(allocation.take(rng.randbytes(20), frozenset()))
            if step % 3 == 2:
                allocation.give_back(got[-2] or 0)
        return got

    assert play() == play()


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), max_size=60), st.integers(1, 5))
def test_no_address_has_more_holders_than_it_may(steps: list[tuple[int, bool]], most: int) -> None:
    allocation = Allocation([0, 3, 4, 8], 4, most)
    held: list[int] = []
    for number, give in steps:
        if give and held:
            allocation.give_back(held.pop(number % len(held)))
            continue
        slot = allocation.take(target(number), frozenset())
        assert (slot is None) == (len(held) == 8 * min(most, 4))
        if slot is not None:
            held.append(slot)
        assert max((sum(one // 4 == rank for one in held) for rank in range(8)), default=0) <= most
    assert len(set(held)) == len(held) == len(allocation)
