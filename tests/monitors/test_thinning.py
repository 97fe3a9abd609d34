"""The thin fleet's rule by literal cases and after any series of arrivals and departures, and fleets that follow it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from montra.monitors.roster import Target
from montra.monitors.thinning import Thinning, monitored_share
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify
from zone_store.run.writer import RunWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from conftest import World

    from zone_store.captures import Attachment

PORT = 7000
START_NS = 1_700_000_000 * 10**9


class Thinned:
    """A thinning with IDs of one byte; the last octet of a target's address is its ID."""

    def __init__(self, every: int, max_known: int = 256, expected: Iterable[bytes] = (), patience_ns: int = 0) -> None:
        self.numbers = 0
        self.thinning = Thinning(every, max_known, self._draw, expected, patience_ns)
        self.known: dict[int, int] = {}  # ID -> when it came
        self.chosen: set[int] = set()
        self.now = 0

    def _draw(self) -> int:
        self.numbers += 1
        return self.numbers

    def come(self, number: int) -> list[int] | None:
        self.now += 1
        chosen = self.thinning.arrive(Target(bytes((number,)), number + 1, PORT, 0, self.now))
        if chosen is None:
            return None
        self.known[number] = self.now
        return self._choose(chosen)

    def go(self, number: int) -> list[int]:
        self.now += 1
        del self.known[number]
        self.chosen.discard(number)
        return self._choose(self.thinning.leave(self.now, number + 1, PORT, "gone"))

    def _choose(self, chosen: list[Target]) -> list[int]:
        ids = [target.node_id[0] for target in chosen]
        assert not self.chosen & set(ids)
        self.chosen |= set(ids)
        self.thinning.attached(self.now, chosen)
        return ids


def groups(ids: list[int], every: int, bit: int = 7) -> Iterator[list[int]]:
    """Yield the groups of IDs of one byte, as the rule's text says: branches of at most so many."""
    if len(ids) <= every or bit < 0:
        if ids:
            yield ids
        return
    yield from groups([one for one in ids if not one >> bit & 1], every, bit - 1)
    yield from groups([one for one in ids if one >> bit & 1], every, bit - 1)


def test_the_first_of_a_group_has_a_monitor_and_the_others_have_none() -> None:
    three = Thinned(3)
    assert [three.come(one) for one in (0b0000_0001, 0b1000_0000, 0b0100_0000)] == [[1], [], []]
    assert three.thinning.bare == 2


def test_who_divides_a_group_leaves_a_monitor_in_both_parts() -> None:
    three = Thinned(3)
    for one in (0b0000_0001, 0b1000_0000, 0b0100_0000):
        three.come(one)
    assert three.come(0b0100_0001) == [0b1000_0000]  # of the part with the first bit set; the newcomer's part has one
    assert three.come(0b1000_0001) == []


def test_a_newcomer_alone_in_its_branch_has_a_monitor() -> None:
    two = Thinned(2)
    assert [two.come(one) for one in (0, 1, 0b1000_0000)] == [[0], [], [0b1000_0000]]


def test_the_longest_known_of_a_group_is_promoted() -> None:
    four = Thinned(4)
    assert [four.come(one) for one in (10, 13, 12, 11)] == [[10], [], [], []]
    assert four.go(10) == [13]
    assert four.go(12) == []
    assert four.go(13) == [11]


def test_nobody_is_promoted_when_groups_become_one() -> None:
    two = Thinned(2)
    assert [two.come(one) for one in (0, 1, 0b1000_0000)] == [[0], [], [0b1000_0000]]
    assert two.go(0) == []  # the two that are left are one group
    assert two.chosen == {0b1000_0000}


def test_no_more_are_known_than_may_be() -> None:
    full = Thinned(2, max_known=2)
    assert [full.come(one) for one in (0, 1, 2)] == [[0], [], None]
    full.go(1)
    assert full.come(2) == []


def test_equal_ids_at_different_addresses_are_one_group() -> None:
    thinning = Thinning(2, 16, iter(range(1, 16)).__next__)
    chosen = [thinning.arrive(Target(b"\x07", ip, PORT, 0, ip)) for ip in range(1, 6)]
    assert [len(one or ()) for one in chosen] == [1, 0, 0, 0, 0]
    assert [target.ip for target in thinning.leave(9, 1, PORT, "gone")] == [2]


def test_who_hides_its_monitor_counts_for_nothing_until_it_shows_it() -> None:
    four = Thinned(4)
    assert [four.come(one) for one in (10, 13, 12)] == [[10], [], []]
    judged = [four.thinning.judge(9, 11, PORT, hidden) for hidden in (True, True, False)]
    assert [[target.node_id[0] for target in one] for one in judged] == [[13], [], []]
    four.thinning.judge(9, 14, PORT, True)
    assert four.thinning.leave(9, 11, PORT, "gone")[0].node_id == b"\x0c"
    assert four.thinning.judge(9, 14, PORT, True) == []


def test_a_successor_chooses_whom_its_predecessor_chose() -> None:
    first, ids = Thinned(3), (1, 5, 9, 80, 81, 160, 162, 165)
    for one in ids:
        first.come(one)
    chosen = set(first.chosen)
    second = Thinned(3, expected=[bytes((one,)) for one in chosen])
    assert second.thinning.due_ns() == 2**63 - 1
    for one in reversed(ids):
        second.come(one)
    assert second.chosen == chosen
    assert second.thinning.due_ns() == 2**63 - 1
    assert second.thinning.tick(10**9) == []


def test_expected_targets_are_not_waited_for_for_ever() -> None:
    thinned = Thinned(4, expected=[b"\x01", b"\xf0"], patience_ns=10)
    assert [thinned.come(one) for one in (2, 3)] == [[], []]
    assert thinned.thinning.due_ns() == 11
    assert thinned.thinning.tick(10) == []
    assert [target.node_id for target in thinned.thinning.tick(11)] == [b"\x02"]
    assert len(thinned.thinning) == 2


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 255), max_size=120))
def test_after_any_series_each_group_has_a_monitor_and_none_was_taken_away(every: int, series: list[int]) -> None:
    """An ID of the series comes, or goes if it is there."""
    world = Thinned(every)
    for one in series:
        if one in world.known:
            world.go(one)
        else:
            before = set(world.chosen)
            world.come(one)
            assert before <= world.chosen
            assert len(world.chosen - before) <= 2
        assert world.chosen <= set(world.known)
        for group in groups(sorted(world.known), every):
            assert world.chosen & set(group)
        assert world.thinning.bare == len(world.known) - len(world.chosen)
        assert len(world.thinning) == len(world.known)


def test_of_the_eight_nearest_nodes_one_has_a_monitor_with_groups_of_eight() -> None:
    rng, thinning, ids = Random(1), Thinning(8, 4096, iter(range(1, 9999)).__next__), []
    monitored = np.zeros(2000, np.bool_)
    for ip in range(2000):
        ids.append(rng.randbytes(20))
        for target in thinning.arrive(Target(ids[-1], ip + 1, PORT, 0, ip)) or ():
            monitored[target.ip - 1] = True
    assert 1 / 6.1 < monitored.mean() < 1 / 5.1 < monitored_share(8) < 1 / 4.3
    words = np.array([int.from_bytes(one[:8], "big") for one in ids], np.uint64)
    for _ in range(2000):
        nearest = np.argpartition(words ^ np.uint64(rng.getrandbits(64)), 8)[:8]
        assert monitored[nearest].any()


def rows_of(world: World) -> list[Attachment]:
    world.collect()
    return [world.attachments[number] for number in sorted(world.attachments)]


def test_a_bare_target_is_stored_and_gets_nothing_sent(make_world: Callable[..., World]) -> None:
    world = make_world(every=4)
    nodes = [world.attached(last) for last in range(1, 4)]
    world.run(10)
    rows = rows_of(world)
    assert [(row.target_ip, row.monitor_port > 0) for row in rows] == [
        (nodes[0].ip, True),
        (nodes[1].ip, False),
        (nodes[2].ip, False),
    ]
    assert (rows[1].monitor_ip, rows[1].introduced_ns, rows[1].accepted_ns, rows[1].visible) == (0, 0, 0, ())
    assert START_NS < rows[1].found_ns < world.now
    assert not nodes[1].queries
    assert (world.count("found"), world.count("bare"), world.count("attached")) == (1, 2, 1)
    assert world.fleet.states()["bare"] == 2


def test_a_bare_neighbour_is_promoted_when_a_monitored_target_goes(make_world: Callable[..., World]) -> None:
    world = make_world(every=4)
    first, second, third = (world.attached(last, answers=last > 1) for last in range(1, 4))
    world.run(10)
    world.fleet.gone(world.now, first.node_id, first.ip, PORT)
    world.run(1)
    rows = rows_of(world)
    assert [(row.target_ip, row.monitor_port > 0, row.reason) for row in rows] == [
        (first.ip, True, "gone"),
        (second.ip, False, "promoted"),
        (third.ip, False, ""),
        (second.ip, True, ""),
    ]
    assert rows[1].lost_ns >= rows[3].found_ns >= rows[0].lost_ns > 0
    assert rows[1].lost_ns < rows[3].introduced_ns + 1
    assert second.queries
    assert not third.queries
    assert (world.count("promoted"), world.fleet.states()["bare"]) == (1, 1)


def test_bare_targets_end_as_others_do(make_world: Callable[..., World]) -> None:
    world = make_world(every=8)
    nodes = [world.attached(last) for last in range(1, 6)]
    world.fleet.gone(world.now, nodes[1].node_id, nodes[1].ip, PORT)
    world.fleet.changed(world.now, nodes[2].node_id, b"\xa4" + bytes(18) + b"\x77", nodes[2].ip, PORT, True)
    world.fleet.changed(world.now, nodes[3].node_id, b"\xff" * 20, nodes[3].ip, PORT, False)
    world.run(1)
    by_target = {(row.target_id, row.target_ip): row.reason for row in rows_of(world)}
    assert by_target == {
        (nodes[0].node_id, nodes[0].ip): "",
        (nodes[1].node_id, nodes[1].ip): "gone",
        (nodes[2].node_id, nodes[2].ip): "changed_id",
        (b"\xa4" + bytes(18) + b"\x77", nodes[2].ip): "",
        (nodes[3].node_id, nodes[3].ip): "changed_id",
        (nodes[4].node_id, nodes[4].ip): "",
    }
    sealed = list(world.fleet.seal(world.now))
    assert [(row.number, row.reason) for row in sealed] == [(1, "sealed"), (5, "sealed"), (6, "sealed")]


def test_a_monitor_that_is_not_handed_out_gets_another_beside_it(make_world: Callable[..., World]) -> None:
    world = make_world(every=4)
    first, second, third = (world.attached(last) for last in range(1, 4))
    world.run(140)
    world.view(first, listed=False)
    world.run(30)  # another introduction
    world.view(first, listed=False)
    world.run(1)
    assert second.queries
    assert not third.queries
    world.view(second, listed=True)
    world.view(first, listed=True)
    world.fleet.gone(world.now + 10**12, second.node_id, second.ip, PORT)
    world.run(1)
    assert not third.queries


def test_a_target_that_falls_silent_has_its_neighbour_promoted(make_world: Callable[..., World]) -> None:
    world = make_world(every=4, reintroduce_s=(1.0,))
    world.attached(1, answers=False)
    second = world.attached(2)
    world.run(200)
    assert world.count("silent") == 1
    assert second.queries
    assert world.fleet.states()["bare"] == 0


def test_what_cannot_wait_for_a_monitor_is_bare(make_world: Callable[..., World]) -> None:
    world = make_world(every=2, max_waiting=1, max_monitors=2)
    for last in (0x01, 0x81, 0x41, 0x61):
        world.found(world.node(last))
    assert (world.count("waiting_full"), world.fleet.states()["bare"], world.fleet.states()["waiting"]) == (1, 3, 2)


def test_one_monitor_for_each_is_as_if_there_were_no_rule(make_world: Callable[..., World]) -> None:
    world = make_world(every=1)
    for last in range(1, 20):
        world.found(world.node(last))
    world.run(5)
    assert (world.count("attached"), world.fleet.states()["bare"]) == (19, 0)


def test_bare_rows_go_through_the_store(make_world: Callable[..., World], tmp_path: Path) -> None:
    world = make_world(every=4)
    for last in range(1, 5):
        world.attached(last, answers=last > 1)
    world.fleet.gone(world.now, *next((node.node_id, node.ip, PORT) for node in world.nodes.values()))
    world.run(1)
    told = {row.number: row for row in world.fleet.take_changed()}
    told |= {row.number: row for row in world.fleet.seal(world.now)}
    folder = create_run(tmp_path, START_NS, "mainline", Zone.parse("a4/6"))
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=START_NS)
    with RunWriter(folder, manifest, "") as writer:
        for row in told.values():
            writer.attachment(row)
        writer.seal(world.now, "complete")
    with RunReader(folder) as reader:
        assert reader.attachments() == [told[number] for number in sorted(told)]
        assert [row.reason for row in reader.attachments()] == ["gone", "promoted", "sealed", "sealed", "sealed"]
        assert reader.newest_ns() <= world.now
    assert verify(folder).ok


def test_bare_targets_are_no_objects() -> None:
    """What a target more costs beside its columns, which are there whole from the start: its place in the order."""
    thinning, rng = Thinning(8, 1 << 13, iter(range(1, 1 << 13)).__next__), Random(1)

    def known(first: int, end: int) -> None:
        for ip in range(first, end):
            thinning.attached(0, thinning.arrive(Target(rng.randbytes(20), ip, PORT, 0, 0)) or ())
        thinning.take_changed()

    known(1, 2000)  # fills the interpreter's own stores of small objects
    tracemalloc.start()
    begin = tracemalloc.get_traced_memory()[0]
    known(2000, 5000)
    objects = tracemalloc.get_traced_memory()[0] - begin
    tracemalloc.stop()
    assert thinning.bare > 3500
    assert objects < 3000 * 40  # an object for each would be more
