"""One reason for each miss."""

import pytest

from montra.datagrams import ip_number
from montra.validation.attributed import Found
from montra.validation.misses import MEANING, Miss, visible_at, why_not_captured, why_wrong
from montra.validation.truth import TruthLookup, TruthNode
from zone_store.captures import Attachment, Kind

from .worlds import at, attachment, id_of, key_of, monitor_ip, node_ip

REQUESTER = TruthNode(9, id_of(0x10), ip_number(node_ip(9)), 6881, at(0))
DESTINATION = TruthNode(1, id_of(0xA5), ip_number(node_ip(1)), 6881, at(0))
MONITOR = ip_number(monitor_ip(1)), 20000


WINDOW_NS = 60_000_000_000


def lookup(*asked: tuple[str, int]) -> TruthLookup:
    addresses = {(ip_number(ip), port): at(10) for ip, port in asked}
    return TruthLookup(at(10), REQUESTER, key_of(0xA5), False, False, received={1: at(10)}, asked=addresses)


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ([], Miss.TARGET_NOT_FOUND),
        ([attachment(1, 1, 0xA5, (), found_s=11.0, introduced_s=0.0)], Miss.TARGET_NOT_FOUND),
        ([attachment(1, 1, 0xA5, (), introduced_s=0.0)], Miss.NOT_INTRODUCED),
        ([attachment(1, 1, 0xA5, (), introduced_s=10.5)], Miss.NOT_INTRODUCED),
        ([attachment(1, 1, 0xA5, ((4.0, 9.0),), lost_s=9.0)], Miss.RETIRED),
        ([attachment(1, 1, 0xA5, ())], Miss.NOT_VISIBLE),
        # beside this target there is no monitor by choice
        ([attachment(1, 1, 0xA5, (), introduced_s=0.0, monitor=("0.0.0.0", 0))], Miss.NO_MONITOR),
        ([attachment(1, 1, 0xA5, ((4.0, 9.0), (10.1, 0.0)))], Miss.NOT_VISIBLE),
        ([attachment(1, 1, 0xA5)], Miss.NEVER_CAME_NEAR),
        # the one that had come farthest tells
        ([attachment(1, 1, 0xA5, ((4.0, 6.0),), lost_s=6.0), attachment(2, 1, 0xA5, ())], Miss.NOT_VISIBLE),
        ([attachment(1, 1, 0xA5, ((4.0, 6.0),), lost_s=6.0), attachment(2, 1, 0xA5)], Miss.NEVER_CAME_NEAR),
    ],
)
def test_how_far_the_monitor_had_come(beside: list[Attachment], expected: Miss) -> None:
    assert why_not_captured(lookup((node_ip(1), 6881)), beside, {MONITOR}, [], WINDOW_NS) is expected


def test_asked_and_not_captured_is_lost() -> None:
    beside = [attachment(1, 1, 0xA5)]
    assert why_not_captured(lookup((monitor_ip(1), 20000)), beside, {MONITOR}, [], WINDOW_NS) is Miss.LOST


def test_nothing_captured_though_any_monitor_was_asked_is_lost() -> None:
    asked = lookup((monitor_ip(7), 20007))
    assert why_not_captured(asked, [], {(ip_number(monitor_ip(7)), 20007)}, [], WINDOW_NS) is Miss.LOST
    assert why_not_captured(asked, [], {MONITOR}, [], WINDOW_NS) is Miss.TARGET_NOT_FOUND


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # another lookup's row, that began with or held out until this command
        (Found(at(10.1), at(10.2), 1, 1, False, 1, 1.0), Miss.MERGED),
        (Found(at(5), at(10.2), 1, 1, False, 1, 1.0), Miss.MERGED),
        (Found(at(5), at(9.9), 1, 1, False, 1, 1.0), Miss.LOST),
        (Found(at(71), at(72), 1, 1, False, 1, 1.0), Miss.LOST),
        (Found(at(10.1), at(10.2), 1, 1, False, 1, 1.0, Kind.NODE_LOOKUP), Miss.LOST),
        (Found(at(10.1), at(10.2), 1, 1, False, 1, 1.0, Kind.SEARCH), Miss.MERGED),
    ],
)
def test_a_lookup_that_came_out_as_part_of_another_is_merged(row: Found, expected: Miss) -> None:
    asked = lookup((monitor_ip(1), 20000))
    assert why_not_captured(asked, [attachment(1, 1, 0xA5)], {MONITOR}, [row], WINDOW_NS) is expected


def test_each_cause_has_a_meaning_of_its_own() -> None:
    assert set(MEANING) == set(Miss)
    assert len(set(MEANING.values())) == len(Miss)


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        # what montra believed of a monitor is no excuse when the requester did send to it, at 10 s
        (attachment(1, 1, 0xA5, ()), Miss.LOST),
        (attachment(1, 1, 0xA5, (), introduced_s=0.0), Miss.LOST),
        (attachment(1, 1, 0xA5, ((4.0, 9.0),), lost_s=9.0), Miss.LOST),
        # the address was not yet its own, or no more
        (attachment(1, 1, 0xA5, (), found_s=10.5, introduced_s=0.0), Miss.TARGET_NOT_FOUND),
        (attachment(1, 1, 0xA5, (), found_s=-80.0, introduced_s=-80.0, lost_s=-50.0), Miss.RETIRED),
    ],
)
def test_a_packet_to_its_own_monitor_was_lost_whatever_its_state(beside: Attachment, expected: Miss) -> None:
    asked = lookup((monitor_ip(1), 20000))
    assert why_wrong(asked, DESTINATION, [beside], {MONITOR}, attachment(2, 2, 0xA6)) is expected


def test_another_monitor_of_its_subnet_was_asked() -> None:
    beside = [attachment(1, 1, 0xA5)]
    neighbour = (monitor_ip(1), 20001)
    monitors = {MONITOR, (ip_number(neighbour[0]), neighbour[1])}
    elsewhere = attachment(2, 2, 0xA6)
    assert why_wrong(lookup(neighbour), DESTINATION, beside, monitors, elsewhere) is Miss.SAME_SUBNET
    assert why_wrong(lookup(neighbour), DESTINATION, beside, {MONITOR}, elsewhere) is Miss.NEVER_CAME_NEAR


def test_a_monitor_nearer_than_any_node_that_received() -> None:
    far = TruthNode(2, id_of(0xA6), ip_number(node_ip(2)), 6881, at(0))
    beside = [attachment(2, 2, 0xA6)]
    assert why_wrong(lookup(), far, beside, {MONITOR}, attachment(1, 1, 0xA5)) is Miss.NEARER_MONITOR
    assert why_wrong(lookup(), DESTINATION, [], {MONITOR}, attachment(2, 2, 0xA6)) is Miss.TARGET_NOT_FOUND


def test_visible_intervals_are_half_open() -> None:
    one = attachment(1, 1, 0xA5, ((4.0, 6.0), (8.0, 0.0)))
    assert [visible_at(one, at(t)) for t in (3.9, 4.0, 5.9, 6.0, 7.9, 8.0, 1e6)] == [
        False,
        True,
        True,
        False,
        False,
        True,
        True,
    ]
