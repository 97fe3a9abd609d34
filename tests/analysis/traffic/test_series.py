"""Counts over time, and how much was monitored meanwhile."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from analysis.traffic.series import NAMES, bin_seconds, series_of
from zone_store.captures import Attachment

from ..samples import START_NS, at, attachment
from .worlds import database, rows, window


@pytest.mark.parametrize(
    ("seconds", "width"),
    [(0, 1), (120, 1), (401, 5), (6 * 3600, 60), (24 * 3600, 300), (400 * 86400, 86400), (900 * 86400, 3 * 86400)],
)
def test_bins_are_round_and_not_too_many(seconds: float, width: int) -> None:
    assert bin_seconds(seconds) == width


def test_messages_are_counted_by_kind_in_their_bin() -> None:
    run = window(6)
    db = database(
        rows(np.array([0.0, 59.9, 60.0]), what="lookup"),
        rows(np.array([61.0]), what="search"),
        rows(np.array([62.0, 63.0]), what="publish"),
        rows(np.array([64.0]), what="announce"),
        rows(np.array([65.0]), what="node_lookup"),
        rows(np.array([66.0, 67.0]), what="lookup", maintenance=1),
        rows(np.array([-5.0, 7 * 3600.0]), what="lookup"),  # a clock that stepped
    )
    series = series_of(db, run, run.attachments)
    assert (series.width_s, len(series.begin_ns), series.begin_ns[0]) == (60, 360, START_NS)
    assert NAMES == ("lookups", "node_lookups", "announces", "maintenance", "searches", "publishes")
    assert series.counts[0].tolist() == [3, 0, 0, 0, 0, 0]
    assert series.counts[1].tolist() == [4, 1, 1, 2, 1, 2]
    assert series.column("lookups")[-1] == 1
    assert series.a_minute("publishes")[1] == 2.0


def test_a_bin_without_work_has_no_rate_and_a_bin_half_at_work_has_twice_the_count() -> None:
    run = window(6, [(30 / 3600, 120 / 3600)])
    series = series_of(database(rows(np.linspace(0, 29, 4))), run, run.attachments)
    rate = series.a_minute("lookups")
    assert rate[0] == 8.0
    assert math.isnan(rate[1])
    assert rate[2] == 0.0


def test_coarser_bins_have_the_same_sums() -> None:
    run = window(6, attachments=[attachment(1, bytes(20))])
    series = series_of(database(rows(np.arange(0, 21600, 60.0))), run, run.attachments)
    coarse = series.coarser(100)
    assert (coarse.width_s, len(coarse.begin_ns)) == (240, 90)
    assert coarse.column("lookups").tolist() == [4] * 90
    assert coarse.running_s.sum() == 6 * 3600
    assert coarse.found_s.sum() == pytest.approx(series.found_s.sum())


def test_node_time_is_counted_while_the_run_was_at_work() -> None:
    first = attachment(1, bytes(20), found=0, lost=600, reason="silent")  # visible 4 s after it was found
    second = attachment(2, bytes([1]) + bytes(19), found=300)
    bare = attachment(3, bytes([2]) + bytes(19))
    bare.monitor_port, bare.visible, bare.accepted_ns = 0, (), 0
    run = window(1, [(0.25, 0.5)], [first, second, bare])
    series = series_of(database(), run, run.attachments)
    assert series.found_s.sum() == pytest.approx(600 + 3300 - 900)
    assert series.visible_s.sum() == pytest.approx(596 + 3296 - 900)
    assert series.monitored_share == pytest.approx(2992 / 3000)
    minute = int(60 // series.width_s)
    assert series.found_s[: 5 * minute].sum() == pytest.approx(300)
    assert series.found_s[5 * minute : 10 * minute].sum() == pytest.approx(600)
    assert series.visible_s[0] == pytest.approx(series.width_s - 4)
    assert series.monitored[20 * minute : 29 * minute].tolist() == pytest.approx([math.nan] * 9 * minute, nan_ok=True)


def test_of_no_node_no_share_is_told() -> None:
    run = window(1)
    assert math.isnan(series_of(database(), run, run.attachments).monitored_share)


def test_a_visible_time_of_many_nodes_is_summed() -> None:
    rng = np.random.default_rng(0)
    begin, length = rng.uniform(0, 3000, 300), rng.uniform(0, 900, 300)
    targets: list[Attachment] = []
    for n, (b, d) in enumerate(zip(begin.tolist(), length.tolist(), strict=True)):
        one = attachment(n + 1, n.to_bytes(20, "big"), b, b + d, "silent")
        one.visible = ((at(b), at(b + d / 2)),)
        targets.append(one)
    run = window(1, attachments=targets)
    series = series_of(database(), run, run.attachments)
    ends = np.minimum(begin + length, 3600.0)
    assert series.found_s.sum() == pytest.approx((ends - begin).sum(), rel=1e-6)
    edges = np.arange(0, 3600 + 1, series.width_s)
    each = [np.clip(np.minimum(ends, b) - np.maximum(begin, a), 0, None).sum() for a, b in itertools.pairwise(edges)]
    assert series.found_s.tolist() == pytest.approx(each, abs=1e-4)
