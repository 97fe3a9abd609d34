"""Shares of time and delays."""

import math

import pytest

from montra.datagrams import ip_number
from montra.validation.coverage import arrivals, by_target, coverage
from montra.validation.truth import TruthNode
from zone_store.captures import Attachment

from .worlds import at, attachment, id_of, node_ip


def node(index: int, byte: int, up_s: float, down_s: float = 0.0) -> TruthNode:
    down_ns = at(down_s) if down_s else 0
    return TruthNode(index, id_of(byte), ip_number(node_ip(index)), 6881, at(up_s), down_ns)


@pytest.mark.parametrize(
    ("nodes", "attachments", "expected"),
    [
        # 10 s to 20 s are asked for
        ([node(1, 0xA5, 0)], [attachment(1, 1, 0xA5, ((0.0, 0.0),))], 1.0),
        ([node(1, 0xA5, 0)], [attachment(1, 1, 0xA5, ((12.0, 14.0), (19.0, 0.0)))], 0.3),
        ([node(1, 0xA5, 0)], [attachment(1, 1, 0xA5, ((0.0, 15.0),)), attachment(2, 1, 0xA5, ((14.0, 16.0),))], 0.6),
        ([node(1, 0xA5, 15, 17)], [attachment(1, 1, 0xA5, ((16.0, 0.0),))], 0.5),
        ([node(1, 0xA5, 0), node(2, 0xA6, 0)], [attachment(1, 1, 0xA5)], 0.5),
        # another ID at the same address is another target
        ([node(1, 0xA5, 0)], [attachment(1, 1, 0xA6)], 0.0),
        ([node(1, 0xA5, 0, 9)], [attachment(1, 1, 0xA5)], math.nan),
    ],
)
def test_coverage(nodes: list[TruthNode], attachments: list[Attachment], expected: float) -> None:
    share = coverage(nodes, by_target(attachments), at(10), at(20))
    assert share == pytest.approx(expected, nan_ok=True)


def bare(number: int, index: int, byte: int, until_s: float = 0.0) -> Attachment:
    lost_ns = at(until_s) if until_s else 0
    ip = ip_number(node_ip(index))
    return Attachment(number, id_of(byte), ip, 6881, id_of(byte), 0, 0, at(0), lost_ns=lost_ns)


def test_time_without_a_monitor_by_choice_is_not_covered_and_not_uncovered() -> None:
    promoted = [bare(1, 1, 0xA5, 14.0), attachment(2, 1, 0xA5, ((17.0, 0.0),))]
    nodes = [node(1, 0xA5, 0), node(2, 0xA6, 0)]
    assert coverage(nodes, by_target([*promoted, bare(3, 2, 0xA6)]), at(10), at(20)) == 0.5
    assert math.isnan(coverage(nodes[1:], by_target([bare(3, 2, 0xA6)]), at(10), at(20)))


def test_arrivals_that_get_no_monitor_are_not_waited_for() -> None:
    beside = by_target([bare(1, 1, 0xA5), bare(2, 2, 0xA6, 14.0), attachment(3, 2, 0xA6, ((15.0, 0.0),))])
    found = arrivals([node(1, 0xA5, 11), node(2, 0xA6, 12)], beside, at(10), at(20))
    assert (found.nodes, found.visible, found.waiting, found.median_s) == (1, 1, 0, 3.0)


def test_arrivals() -> None:
    nodes = [node(1, 0xA5, 5), node(2, 0xA6, 10), node(3, 0xA7, 12), node(4, 0xA4, 13, 15), node(5, 0xA4, 20)]
    beside = by_target(
        [
            attachment(1, 1, 0xA5),
            attachment(2, 2, 0xA6, ((14.0, 15.0), (16.0, 0.0))),
            attachment(3, 3, 0xA7, ((18.0, 0.0),)),
            attachment(4, 4, 0xA4, ()),
        ]
    )
    found = arrivals(nodes, beside, at(10), at(20))
    assert (found.nodes, found.visible) == (3, 2)
    # after 2 s one leaves unseen, so two are at risk at 4 s: half of them, then all
    assert (found.left, found.waiting) == (1, 0)
    assert (found.median_s, found.p90_s) == (4.0, 6.0)
    early = arrivals(nodes, beside, at(10), at(17))
    assert (early.nodes, early.visible, early.left, early.waiting) == (3, 1, 1, 1)
    assert (early.median_s, early.p90_s) == (4.0, math.inf)
    # visible only once it had left: a stranger with its ID at its address
    after = by_target([attachment(4, 4, 0xA4, ((15.5, 0.0),))])
    assert arrivals([node(4, 0xA4, 13, 15)], after, at(10), at(20)).left == 1
    none = arrivals(nodes, {}, at(30), at(40))
    assert (none.nodes, none.visible, none.left, none.waiting) == (0, 0, 0, 0)
    assert math.isnan(none.median_s)
