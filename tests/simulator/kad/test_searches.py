"""Searches by aMule's rules, second by second."""

from montra.simulator.kad.rules import SEARCHES, SECOND_NS
from montra.simulator.kad.searches import Contact, Search
from montra.simulator.kad.settings import Purpose

KEY = 0xA4 << 120


def contact(distance: int, *, subnet: int | None = None) -> Contact:
    """A contact at so many 2^-16ths of the ID space from the key, at an IP in a /24 of its own unless told."""
    ip = (distance << 8 | 1) if subnet is None else (subnet << 8 | distance)
    return Contact(distance, KEY ^ distance << 112, ip, 4672)


def begun(purpose: Purpose, *distances: int, alpha: int = 3) -> tuple[Search, dict[int, Contact]]:
    search = Search(SEARCHES[purpose], alpha, KEY, 0)
    known = {distance: contact(distance) for distance in distances}
    asked = search.begin(known.values())
    assert [(one.row, count) for one, count in asked] == [
        (distance, SEARCHES[purpose].wanted) for distance in sorted(distances)[:alpha]
    ]
    return search, known


def rows(asked: list[tuple[Contact, int]]) -> list[int]:
    return [one.row for one, _ in asked]


def test_it_asks_the_nearest_three_then_whoever_is_nearer_than_the_answerer_and_among_the_best() -> None:
    search, known = begun(Purpose.KEYWORD, 64, 80, 96, 112)
    assert rows(search.answered(SECOND_NS, known[64], [contact(32), contact(70)], 2)) == [32]
    # farther than the answerer: kept, but not asked before the search stalls
    assert rows(search.answered(SECOND_NS, known[80], [contact(72), contact(88)], 2)) == [72]
    assert rows(search.answered(SECOND_NS, known[96], [contact(16), contact(24)], 2)) == [16, 24]
    late = contact(40)
    assert rows(search.answered(SECOND_NS, known[112], [late], 1)) == []  # three better ones are known


def test_a_stalled_search_sends_its_second_phase_to_responders_and_asks_one_more_each_second() -> None:
    search, known = begun(Purpose.STORE_SOURCE, 1, 2, 3, 4)
    search.answered(0, known[1], [], 0)
    assert search.jump(2 * SECOND_NS) == ([], [])  # not silent for three seconds yet
    step = search.jump(3 * SECOND_NS)
    assert ([one.row for one in step.store], rows(step.ask)) == ([1], [4])
    # 2 and 3 were silent; the fifth is not there: nothing is left to ask, so the search ends
    assert search.jump(4 * SECOND_NS) == ([], [])
    assert not search.is_over
    assert search.jump(5 * SECOND_NS) == ([], [])
    assert search.is_over


def test_responders_farther_than_eight_bits_get_nothing() -> None:
    search, known = begun(Purpose.STORE_KEYWORD, 255, 256)
    search.answered(0, known[255], [], 0)
    search.answered(0, known[256], [], 0)
    assert [one.row for one in search.jump(3 * SECOND_NS).store] == [255]


def test_a_search_whose_best_two_are_silent_asks_the_next_responder_for_eleven_once() -> None:
    search, known = begun(Purpose.SOURCE, *range(1, 8))
    for second in (3, 4, 5):
        assert rows(search.jump(second * SECOND_NS).ask) == [second + 1]
    search.answered(5 * SECOND_NS, known[5], [], 0)
    step = search.jump(8 * SECOND_NS)
    assert [(one.row, count) for one, count in step.ask] == [(5, 11)]
    eleven = [contact(distance) for distance in range(20, 31)]
    search.answered(9 * SECOND_NS, known[5], eleven, 11)
    assert rows(search.jump(12 * SECOND_NS).ask) == [7]
    # more than was asked for is an answer of nobody's
    assert rows(search.answered(12 * SECOND_NS, known[7], [contact(0)], 3)) == []


def test_out_of_one_answer_it_takes_one_contact_of_an_ip_and_two_of_a_24() -> None:
    search, known = begun(Purpose.STORE_SOURCE, 200)
    same = [contact(distance, subnet=9) for distance in (10, 11, 12)]
    twin = Contact(13, KEY ^ 13 << 112, same[0].ip, 1)
    assert rows(search.answered(0, known[200], [*same, twin], 4)) == [10, 11]
    search, known = begun(Purpose.STORE_SOURCE, 200)
    beside = [Contact(n, KEY ^ n << 112, (known[200].ip & ~0xFF) + 1 + n, 1) for n in (10, 11)]
    assert rows(search.answered(0, known[200], beside, 2)) == [10]  # the answerer's own /24 counts


def test_it_ends_by_time_or_by_answers() -> None:
    search, _ = begun(Purpose.KEYWORD, *range(1, 51))
    search.jump(25 * SECOND_NS)
    assert not search.is_over
    search.jump(26 * SECOND_NS)
    assert search.is_over
    search, _ = begun(Purpose.STORE_SOURCE, *range(1, 51))
    search.jump(120 * SECOND_NS)
    assert not search.is_over
    search.answers = 11
    search.jump(4 * SECOND_NS)
    assert search.is_over


def test_a_look_around_is_over_with_the_first_answer_and_one_for_the_own_id_counts_them() -> None:
    search, known = begun(Purpose.NEARBY, 1, 2, alpha=1)
    assert search.answered(0, known[1], [contact(0)], 1) == []
    search.jump(3 * SECOND_NS)
    assert search.is_over
    search, known = begun(Purpose.OWN_ID, 1, 2, 3)
    assert rows(search.answered(0, known[3], [contact(0)], 1)) == [0]
    assert search.answers == 1
    assert search.jump(3 * SECOND_NS).store == []
