"""Searches by the rules of each family, on small literal lists."""

from dataclasses import replace

from montra.simulator.lookups import Contact, JechSearch, Search, State
from montra.simulator.rules import RULES
from montra.simulator.settings import Family

SECOND = 10**9
MONITORS_FROM = 1000


def contact(node_id: int, ip: int | None = None, row: int = 0, port: int = 1) -> Contact:
    return Contact(row or node_id, node_id, (node_id << 8) if ip is None else ip, port)


def search(family: Family) -> Search:
    return (JechSearch if family is Family.JECH else Search)(RULES[family], 0, MONITORS_FROM)


def ids(contacts: list[Contact]) -> list[int]:
    return [one.node_id for one in contacts]


def test_libtorrent_asks_five_nearest_and_one_more_for_each_slow_one() -> None:
    lookup = search(Family.LIBTORRENT)
    lookup.learn([contact(i) for i in range(12, 0, -1)])
    asked = lookup.step(0)
    assert ids(asked) == [1, 2, 3, 4, 5]
    assert lookup.step(0) == []
    lookup.slow(asked[0])
    assert ids(lookup.step(SECOND)) == [6]
    lookup.answered(asked[1], 2)
    assert ids(lookup.step(SECOND)) == [7]


def test_libtorrent_ends_with_eight_alive_and_nobody_open_before_them() -> None:
    lookup = search(Family.LIBTORRENT)
    lookup.learn([contact(i) for i in range(1, 11)])
    open_ = lookup.step(0)
    silent = open_.pop(0)
    while open_:
        one = open_.pop(0)
        lookup.answered(one, one.node_id)
        open_ += lookup.step(0)
    assert not lookup.is_over()  # the nearest is still awaited
    lookup.failed(silent)
    lookup.step(15 * SECOND)
    assert lookup.is_over()
    assert ids(lookup.result()) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_libtorrent_takes_one_contact_of_a_slash_24_but_spares_its_own() -> None:
    lookup = search(Family.LIBTORRENT)
    own = [contact(1, ip=0x0A000001), contact(2, ip=0x0A000002)]
    for one in own:
        one.initial = True
    lookup.learn(own)
    lookup.learn([contact(3, ip=0x0A000003), contact(4, ip=0x0A000004), contact(5, ip=0x0B000001)])
    assert ids(lookup.found) == [1, 2, 3, 5]


def test_dedupe_of_the_others() -> None:
    same_ip = [contact(1, ip=7, port=1), contact(2, ip=7, port=2)]
    for family, left in ((Family.UTORRENT, [1]), (Family.MLDHT, [1]), (Family.ARIA2, [1, 2]), (Family.JECH, [1, 2])):
        lookup = search(family)
        lookup.learn([replace(one) for one in same_ip])
        assert ids(lookup.found) == left, family
    lookup = search(Family.ARIA2)
    lookup.learn([contact(1, ip=7), contact(2, ip=7)])
    assert ids(lookup.found) == [1]


def test_a_far_id_drops_a_silent_monitor_to_the_end() -> None:
    lookup = search(Family.LIBTORRENT)
    lookup.learn([contact(i) for i in range(1, 10)])
    first = lookup.step(0)
    lookup.answered(first[0], 1 << 159)
    assert ids(lookup.found)[-1] == 1
    open_ = first[1:] + lookup.step(0)
    while open_:
        one = open_.pop(0)
        lookup.answered(one, one.node_id)
        open_ += lookup.step(0)
    assert lookup.is_over()
    assert 1 not in ids(lookup.result())


def test_aria2_keeps_eight_and_forgets_whom_it_drops() -> None:
    lookup = search(Family.ARIA2)
    lookup.learn([contact(i) for i in range(10, 18)])
    asked = lookup.step(0)
    assert ids(asked) == [10, 11, 12]
    lookup.learn([contact(i) for i in range(1, 7)])
    assert ids(lookup.found) == [1, 2, 3, 4, 5, 6, 10, 11]
    assert asked[2].state is State.FAILED
    lookup.answered(asked[2], 12)
    assert ids(lookup.step(0)) == [1]


def test_anacrolix_skips_monitors() -> None:
    lookup = search(Family.ANACROLIX)
    lookup.learn([contact(1, row=1001), contact(2)])
    assert ids(lookup.found) == [2]


def test_jech_sends_three_copies_ten_seconds_apart_and_ends_with_eight_answers() -> None:
    lookup = search(Family.JECH)
    assert isinstance(lookup, JechSearch)
    lookup.learn([contact(i) for i in range(1, 20)])
    assert len(lookup.found) == 14
    assert ids(lookup.step(0)) == [1, 2, 3, 4]
    assert ids(lookup.one_more(0)) == [14]  # its loop goes on to the last
    assert lookup.step(5 * SECOND)[0].node_id == 5
    for one in lookup.found[1:9]:
        lookup.answered(one, one.node_id)
    copies = [0]
    for step in range(1, 4):
        copies += [one.copies for one in lookup.step(step * 11 * SECOND) if one.node_id == 1]
    assert copies == [0, 2, 3]
    assert lookup.is_over()
    assert ids(lookup.result()) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_jech_does_not_know_an_answer_under_another_id() -> None:
    lookup = search(Family.JECH)
    lookup.learn([contact(1)])
    (only,) = lookup.step(0)
    lookup.answered(only, 1 << 159)
    assert only.state is State.OPEN
    lookup.failed(only)
    assert only.state is State.OPEN
