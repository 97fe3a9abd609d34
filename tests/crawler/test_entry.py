import random

from crawler.entry import START_POINTS, Entry
from crawler.settings import CrawlSettings
from zone_store.keyspace.zone import Zone

from .simnet import SimContact

S = 1_000_000_000
ZONE = Zone.parse("a4/6")
BOOTSTRAP = [(0x20000001, 6881), (0x20000002, 6881)]


def entry(settings: CrawlSettings | None = None) -> Entry:
    return Entry(ZONE, settings or CrawlSettings(), BOOTSTRAP, random.Random(1), {})


def contact(first_byte: int, number: int) -> SimContact:
    return SimContact(bytes([first_byte]) + number.to_bytes(19), 0x16000000 + number, 6881)


def test_candidates_nearest_to_the_zone_come_first() -> None:
    way = entry()
    way.begin(0, alone=True)
    # 101001 is the zone; 00, a0 = 101000, b4 = 101101, e4 = 111001 share 0, 5, 3 and 1 bits with it.
    way.offer([contact(0x00, 1), contact(0xA0, 2), contact(0xB4, 3), contact(0xE4, 4)])
    asked = [way.next(0) for _ in range(5)]
    assert asked == [(0x16000002, 6881), (0x16000003, 6881), (0x16000004, 6881), (0x16000001, 6881), None]


def test_no_candidate_is_tried_twice_in_a_crawl() -> None:
    way = entry()
    way.begin(0, alone=True)
    way.offer([contact(0xA0, 1), contact(0xA0, 1)])
    assert way.next(0) == (0x16000001, 6881)
    assert way.next(0) is None


def test_questions_and_helpers_are_bounded() -> None:
    way = entry(CrawlSettings(max_helpers=10))
    way.begin(0, alone=True)
    way.offer(contact(0xA0, number) for number in range(1, 100_000))
    asked = []
    while (address := way.next(0)) is not None:
        asked.append(address)
        way.answered(address, b"\xa0" + bytes(19))
    assert len(asked) == 10
    assert len(way) == 10


def test_the_farthest_helper_makes_room() -> None:
    way = entry(CrawlSettings(max_helpers=2))
    way.answered((1, 1), b"\x00" * 20)
    way.answered((2, 1), b"\xa0" + bytes(19))
    way.answered((3, 1), b"\xb4" + bytes(19))
    assert set(way.begin(0, alone=False)) - set(BOOTSTRAP) == {(2, 1), (3, 1)}


def test_bootstrap_nodes_are_asked_when_alone_and_else_seldom() -> None:
    way = entry(CrawlSettings(bootstrap_every_s=60.0))
    assert way.begin(0, alone=True) == BOOTSTRAP
    assert way.begin(1 * S, alone=False) == []
    assert way.begin(2 * S, alone=True) == BOOTSTRAP
    assert way.begin(61 * S, alone=False) == []
    assert way.begin(62 * S, alone=False) == BOOTSTRAP


def test_bootstrap_nodes_do_not_become_helpers() -> None:
    way = entry()
    way.answered(BOOTSTRAP[0], bytes(20))
    assert len(way) == 0


def test_silent_candidates_rest() -> None:
    way = entry(CrawlSettings(silent_s=60.0))
    way.begin(0, alone=True)
    way.silent(0, (0x16000001, 6881))
    way.offer([contact(0xA0, 1)])
    assert way.next(59 * S) is None
    way.offer([contact(0xA0, 1)])
    assert way.next(60 * S) == (0x16000001, 6881)


def test_candidates_are_wanted_outside_the_zone_or_while_helpers_are_few() -> None:
    way = entry()
    assert way.wants(0, outside=False)
    for number in range(START_POINTS):
        way.answered((number, 1), bytes(20))
    assert not way.wants(0, outside=False)
    assert way.wants(START_POINTS - 1, outside=True)
    assert not way.wants(START_POINTS, outside=True)
    assert [way.enough(known) for known in (0, 3, 500)] == [8, 3, 8]


def test_who_is_asked_is_asked_by_the_id_that_is_known() -> None:
    ids = {BOOTSTRAP[0]: b"\x07" * 20, (9, 9): b"\x09" * 20}
    way = Entry(ZONE, CrawlSettings(), BOOTSTRAP, random.Random(1), ids)
    assert [way.id_of(address) for address in way.begin(0, alone=True)] == [b"\x07" * 20, b""]
    way.answered(BOOTSTRAP[1], b"\x08" * 20)
    way.answered((1, 1), b"\x01" * 20)
    way.silent(0, BOOTSTRAP[0])  # it may have another one now
    assert {address: way.id_of(address) for address in way.begin(0, alone=True)} == {
        (1, 1): b"\x01" * 20,
        BOOTSTRAP[0]: b"",
        BOOTSTRAP[1]: b"\x08" * 20,
    }
    way.offer([contact(0xA0, 1)])
    address = way.next(0)
    assert address is not None
    assert way.id_of(address) == contact(0xA0, 1).node_id
    way.entered(BOOTSTRAP[0], b"\xa4" * 20)
    way.begin(0, alone=True)
    assert way.id_of(BOOTSTRAP[0]) == b"\xa4" * 20


def test_of_a_long_list_only_some_are_asked_at_once() -> None:
    many = [(0x20000000 + number, 4672) for number in range(1, 1001)]
    way = Entry(ZONE, CrawlSettings(), many, random.Random(1), {})
    first, second = way.begin(0, alone=True), way.begin(0, alone=True)
    assert len(set(first)) == len(set(second)) == 64
    assert set(first) != set(second)
    assert set(first) | set(second) <= set(many)
