"""Who carries popular keys, and what sharing them would take off the hottest nodes."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.engine.database import Database
from analysis.imbalance.caching import COPIES, caching
from analysis.imbalance.popular import TopKeys, carriers, hottest, top_keys_of
from analysis.imbalance.watched import Watched, watched

from ..lookups import table
from ..samples import TARGETS, Contents, attachment, run_of

NEAR = [target[:19] + b"\x05" for target in TARGETS]
"""A key next to each target."""


def world() -> tuple[Watched, TopKeys, np.ndarray, Database]:
    """Four nodes: the first has 60 lookups for one key and 20 for two others, the second 10, the third 10."""
    attached = [attachment(i + 1, target) for i, target in enumerate(TARGETS)]
    nodes = watched(run_of(Contents(attachments=attached)))
    asked = [(NEAR[0], 1, 60), (NEAR[0][:18] + b"\x01\x05", 1, 12), (NEAR[0][:18] + b"\x02\x05", 1, 8)]
    asked += [(NEAR[1], 2, 10), (NEAR[2], 3, 9), (NEAR[2], 2, 1)]
    rows = [
        {"key": key, "inferred": node, "requester": i % 20, "confidence": 1.0}
        for key, node, lookups in asked
        for i in range(lookups)
    ]
    db = Database.of(table(rows))
    return nodes, top_keys_of(db, nodes, 20), np.array([80, 11, 9, 0]), db


def test_carriers_are_told_by_popularity() -> None:
    nodes, top, counts, _ = world()
    found = carriers(top, nodes, counts)
    assert found.rank.tolist() == [1, 2, 3, 4, 4, 5]
    assert found.node.tolist() == [1, 1, 2, 3, 2, 1]
    assert found.lookups.tolist() == [60, 12, 10, 9, 1, 8]
    assert found.requesters.tolist() == [20, 12, 10, 9, 1, 8]
    assert found.of_key.tolist() == [1, 1, 1, 0.9, 0.1, 1]
    assert found.of_node[:2].tolist() == [0.75, 0.15]
    assert found.key[2].tobytes() == NEAR[1]


def test_the_hottest_come_first_with_what_they_are_asked_for() -> None:
    nodes, top, counts, db = world()
    hot = hottest(db, nodes, counts, top)
    assert hot.name.tolist() == [1, 2, 3]
    assert hot.lookups.tolist() == [80, 11, 9]
    assert hot.keys.tolist() == [3, 2, 1]
    assert hot.requesters.tolist() == [20, 10, 9]
    assert hot.top_key.tolist() == [0.75, 10 / 11, 1.0]
    assert hot.popular.tolist() == [1.0, 1.0, 1.0]
    assert hot.a_minute == pytest.approx(counts[:3] * 60 / 598)


def test_caching_shares_the_lookups_for_popular_keys_evenly() -> None:
    nodes, top, counts, _ = world()
    what_if = caching(nodes, counts, top)
    assert (what_if.keys[0], what_if.copies[0], what_if.hottest_left[0]) == (0, 1, 1.0)
    # Five keys: so the top one is what can be cached. On 2 nodes: 20 + 30 stay, on all four 20 + 15.
    assert what_if.keys[1:].tolist() == [1] * len(COPIES)
    assert what_if.copies[1:].tolist() == list(COPIES)
    assert what_if.was_hottest_left[1:] == pytest.approx([50 / 80, 35 / 80, 35 / 80, 35 / 80])
    assert what_if.hottest[1] == pytest.approx(50 * 60 / 598)
    assert what_if.gini[2] < what_if.gini[1] < what_if.gini[0]


def test_who_was_watched_longer_takes_more_of_a_shared_key() -> None:
    attached = [attachment(1, TARGETS[0]), attachment(2, TARGETS[1], 0, 301)]  # 598 and 299 s
    nodes = watched(run_of(Contents(attachments=attached)))
    none = np.empty(0, np.int64)
    key = np.frombuffer(NEAR[0], np.uint8).reshape(1, 20)
    top = TopKeys(key, np.array([90]), np.array([0]), np.array([0]), np.array([90]), none, np.array([90.0]))
    what_if = caching(nodes, np.array([90, 0]), top)
    assert what_if.was_hottest_left[1] == pytest.approx(2 / 3)
    assert what_if.gini[1] == pytest.approx(0.0, abs=1e-12)


def test_lookups_that_ended_at_no_watched_node_are_not_shared_either() -> None:
    # The third is watched for 19 of 602 s: too briefly to be there. Of the last lookups no node is known.
    attached = [attachment(1, TARGETS[0]), attachment(2, TARGETS[1]), attachment(3, TARGETS[2], 0, 21)]
    nodes = watched(run_of(Contents(attachments=attached)))
    pairs = np.zeros(3, np.int64)
    key = np.frombuffer(NEAR[0], np.uint8).reshape(1, 20)
    top = TopKeys(key, np.array([120]), pairs, np.array([0, 2, -1]), np.array([90, 20, 10]), pairs, pairs + 1.0)
    what_if = caching(nodes, np.array([90, 0, 20]), top)
    assert what_if.hottest_left[1] == pytest.approx(1 / 2)
    assert what_if.was_hottest_left[1] == pytest.approx(1 / 2)


def test_without_lookups_there_is_nothing_to_cache() -> None:
    nodes = watched(run_of(Contents(attachments=[attachment(1, TARGETS[0])])))
    with Database.of(table([])) as db:
        top = top_keys_of(db, nodes, 20)
        assert len(hottest(db, nodes, np.zeros(1, np.int64), top).name) == 0
    assert len(carriers(top, nodes, np.zeros(1, np.int64)).rank) == 0
    assert len(caching(nodes, np.zeros(1, np.int64), top).keys) == 0
