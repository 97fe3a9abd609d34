"""Gini, Lorenz and shares of known vectors; cells of the keyspace against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.load_balance import cell_shares, curve, gini, load_of, lorenz, top_share
from zone_store.keyspace.ids import pack

from .samples import TARGETS, Contents, attachment, run_of


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 1, 1, 1], 0.0), ([0, 0, 0, 1], 0.75), ([1, 2, 3, 4], 0.25), ([4, 3, 2, 1], 0.25), ([7], 0.0), ([0, 2], 0.5)],
)
def test_gini_of_known_vectors(values: list[int], expected: float) -> None:
    assert gini(np.array(values, np.float64)) == pytest.approx(expected)


def test_nothing_has_no_gini() -> None:
    assert math.isnan(gini(np.empty(0)))
    assert math.isnan(gini(np.zeros(3)))
    assert math.isnan(top_share(np.zeros(3), 0.1))


def test_lorenz_goes_from_nothing_to_all() -> None:
    x, y = lorenz(np.array([3.0, 0.0, 1.0, 0.0]))
    assert x.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert y.tolist() == [0.0, 0.0, 0.0, 0.25, 1.0]
    assert [part.tolist() for part in lorenz(np.zeros(2))] == [[], []]


def test_a_long_lorenz_curve_is_thinned_and_keeps_its_ends() -> None:
    x, y = curve(np.arange(5000.0))
    assert len(x) == len(y) == 200
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, 1.0)


def test_top_share_takes_one_node_at_least() -> None:
    values = np.array([1.0, 1.0, 2.0, 6.0])
    assert top_share(values, 0.01) == 0.6
    assert top_share(values, 0.5) == 0.8


def test_cells_of_a_small_trie() -> None:
    # 00, 01 | 10, 11 are four quarters; without 01, 00 has its half.
    ids = np.array([[0x00], [0x40], [0x80], [0xC0]], np.uint8)
    assert cell_shares(ids).tolist() == [0.25] * 4
    assert cell_shares(ids[[0, 2, 3]]).tolist() == [0.5, 0.25, 0.25]
    assert cell_shares(ids[:1]).tolist() == [1.0]
    assert cell_shares(ids[:0]).tolist() == []


@given(st.sets(st.integers(0, 255), min_size=1, max_size=12))
def test_cells_are_the_keys_nearest(ids: set[int]) -> None:
    ordered = sorted(ids)
    nearest = [min(ordered, key=lambda one: one ^ key) for key in range(256)]
    expected = [nearest.count(one) / 256 for one in ordered]
    assert cell_shares(pack([bytes([one]) for one in ordered], 1)).tolist() == expected


def test_load_adds_up_a_nodes_attachments_and_leaves_out_brief_ones() -> None:
    contents = Contents(
        attachments=[
            attachment(1, TARGETS[0], 0, 302),  # attached for 300 s
            attachment(2, TARGETS[1], 8),  # 590 s
            attachment(3, TARGETS[0], 400, 502),  # 100 s more of the first node
            attachment(4, TARGETS[2], 560),  # 38 s: less than a tenth of the window
        ]
    )
    load = load_of(run_of(contents), np.array([0, 30, 59, 10, 7]))
    assert load.node.tolist() == [1, 2]
    assert load.attached_s.tolist() == [400.0, 590.0]
    assert load.lookups.tolist() == [40, 59]
    assert load.rate.tolist() == [6.0, 6.0]
    assert (load.gini, load.left_out) == (0.0, 1)
    # At most two nodes at once, and all lookups spread over them, those of the brief node too.
    assert len(load.expected) == 2
    assert load.expected.sum() == pytest.approx(106)


def test_hashing_alone_is_the_same_each_time() -> None:
    contents = Contents(attachments=[attachment(i + 1, target) for i, target in enumerate(TARGETS)])
    run = run_of(contents)
    first, second = (load_of(run, np.array([0, 1000, 0, 0, 0])) for _ in range(2))
    assert first.expected.tolist() == second.expected.tolist()
    assert first.expected == pytest.approx([250] * 4, rel=0.15)
    assert first.gini == 0.75
    assert first.expected_gini < 0.1


def test_a_run_without_monitors_has_no_load() -> None:
    load = load_of(run_of(Contents()), np.zeros(1, np.int64))
    assert (len(load.node), len(load.expected), load.left_out) == (0, 0, 0)
    assert math.isnan(load.gini)
    assert math.isnan(load.expected_gini)
