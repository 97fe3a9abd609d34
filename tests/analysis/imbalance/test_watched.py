"""Which nodes were watched, and for how long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.imbalance.watched import watched

from ..samples import TARGETS, Contents, at, attachment, run_of


def test_a_node_attached_twice_at_a_time_is_watched_once() -> None:
    # From 2 to 302 s, and from 202 to 402 s: 400 s in all.
    run = run_of(Contents(attachments=[attachment(1, TARGETS[1], 0, 302), attachment(2, TARGETS[1], 200, 402)]))
    nodes = watched(run)
    assert nodes.name.tolist() == [1]
    assert nodes.seconds == pytest.approx([400.0], abs=1e-5)


def test_gaps_of_the_run_are_not_watched() -> None:
    run = run_of(Contents(attachments=[attachment(1, TARGETS[0]), attachment(2, TARGETS[1], 150, 302)]))
    nodes = watched(replace(run, gaps=((at(100), at(200)),)))
    assert nodes.seconds == pytest.approx([498.0, 102.0])


def test_nodes_stand_in_order_of_ids_with_the_number_of_their_first_attachment() -> None:
    run = run_of(
        Contents(attachments=[attachment(3, TARGETS[2]), attachment(7, TARGETS[0]), attachment(9, TARGETS[2])])
    )
    nodes = watched(run)
    assert [one.tobytes() for one in nodes.ids] == [TARGETS[0], TARGETS[2]]
    assert nodes.name.tolist() == [7, 3]
    assert nodes.nodes_of(np.array([9, 3, 7, 5, 0], np.uint32)).tolist() == [1, 1, 0, -1, -1]
    assert nodes.summed(np.array([0, 3, 7, 9], np.uint32), np.array([8, 1, 2, 4])).tolist() == [2, 5]


def test_nodes_never_accepted_are_not_watched_and_count_as_blind_time() -> None:
    never = replace(attachment(2, TARGETS[1]), accepted_ns=0, visible=())
    nodes = watched(run_of(Contents(attachments=[attachment(1, TARGETS[0]), never])))
    assert nodes.kept.tolist() == [True, False]
    assert nodes.left_out == 0
    assert nodes.blind == pytest.approx(602 / 1200)


def test_a_monitor_that_moved_does_not_make_its_node_known_twice() -> None:
    # Accepted at 2 s, and by the second monitor at 302 s, which tells that the node was found at 0 s.
    moved = replace(attachment(2, TARGETS[0]), accepted_ns=at(302), visible=())
    nodes = watched(run_of(Contents(attachments=[attachment(1, TARGETS[0], 0, 300, "moved"), moved])))
    assert nodes.seconds == pytest.approx([596.0], abs=1e-5)
    assert nodes.blind == pytest.approx(1 - 596 / 600, abs=1e-6)
