"""Targets as columns: the same as the rows they come from."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.attachments import Attachments

from .samples import START_NS, TARGETS, at, attachment

END_NS = at(600)


def test_columns_are_those_of_the_rows() -> None:
    rows = [
        attachment(7, TARGETS[1], 0, 400, "silent"),
        attachment(2, TARGETS[0]),
        attachment(9, TARGETS[1], 500, 600, "sealed"),
    ]
    rows[0].target_ip = rows[2].target_ip
    rows[1].target_ip = 1
    rows[1].visible = ((at(4), at(10)), (at(20), at(20)), (at(30), 0))
    rows[2].monitor_port = 0
    found = Attachments.of(iter(rows), 20, END_NS)
    assert found.number.tolist() == [2, 7, 9]
    assert found.node.tolist() == [0, 1, 1]
    assert found.nodes == 2
    assert found.address.tolist() == [0, 1, 1]
    assert found.target_id[1].tobytes() == TARGETS[1]
    assert found.until_ns.tolist() == [END_NS, at(400), END_NS]
    assert found.lost.tolist() == [False, True, False]
    assert [found.reasons[reason] for reason in found.reason.tolist()] == ["", "silent", "sealed"]
    assert found.named("silent").tolist() == [False, True, False]
    assert found.named("gone").tolist() == [False, False, False]
    assert found.bare.tolist() == [False, False, True]
    assert found.began_ns.tolist() == [at(2), at(2), at(500)]
    shown = list(zip(found.visible_of, found.visible_begin_ns, found.visible_end_ns, strict=True))
    assert sorted(shown) == [(0, at(4), at(10)), (0, at(30), END_NS), (1, at(4), at(400)), (2, at(504), END_NS)]


def test_rows_come_back_without_addresses() -> None:
    row = attachment(3, TARGETS[2], 1, 300, "gone")
    (back,) = Attachments.of([row], 20, END_NS).each()
    assert (back.number, back.target_id, back.found_ns, back.accepted_ns) == (3, TARGETS[2], at(1), at(3))
    assert (back.lost_ns, back.reason, back.target_ip, back.monitor_ip) == (at(300), "gone", 0, 0)
    (lasting,) = Attachments.of([attachment(4, TARGETS[2])], 20, END_NS).each()
    assert (lasting.lost_ns, lasting.monitor_port) == (0, 1)


def test_none_and_wrong_ids() -> None:
    assert (len(Attachments.none(16)), Attachments.none(16).nodes) == (0, 0)
    assert Attachments.none(16).target_id.shape == (0, 16)
    with pytest.raises(ValueError, match="20"):
        Attachments.of([attachment(1, TARGETS[0][:16])], 20, END_NS)
    many = Attachments.of((attachment(n, TARGETS[n % 4]) for n in range(1, 20_000)), 20, START_NS)
    assert np.bincount(many.node).tolist() == [4999, 5000, 5000, 5000]


def test_a_node_is_known_once_at_a_time() -> None:
    rows = [
        attachment(1, TARGETS[0], 0, 300, "moved"),
        attachment(2, TARGETS[0], 0, 500, "silent"),  # found when the node was, before the monitor moved
        attachment(3, TARGETS[0], 550, 600, "sealed"),
        attachment(4, TARGETS[1], 20, 250, "gone"),
        attachment(5, TARGETS[1], 30, 100, "moved"),  # within the other
    ]
    found = Attachments.of(rows, 20, END_NS)
    assert found.known_ns.tolist() == [at(0), at(300), at(550), at(20), at(100)]
    assert Attachments.none(20).known_ns.tolist() == []
