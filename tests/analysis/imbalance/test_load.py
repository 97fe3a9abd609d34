"""Gini, Lorenz and shares of known vectors; what hashing alone would give."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.imbalance import load as load_balance
from analysis.imbalance.load import DestinationCounter, curve, gini, load_of, lorenz, top_share
from analysis.load import Run
from analysis.traffic.rates import Series, SeriesCounter
from zone_store.captures import Attachment
from zone_store.keyspace.ids import xor_distance

from ..samples import TARGETS, Contents, at, attachment, run_of


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


def series_of(run: Run, begin: float, end: float, lookups: int) -> Series:
    """Return a series with so many lookups spread over the bins between two seconds."""
    series = SeriesCounter(run).result()
    inside = np.flatnonzero((series.begin_ns >= at(begin)) & (series.begin_ns < at(end)))
    np.add.at(series.counts[:, 0], inside[np.arange(lookups) % len(inside)], 1)
    return series


def test_load_adds_up_a_nodes_attachments_and_leaves_out_brief_ones() -> None:
    contents = Contents(
        attachments=[
            attachment(1, TARGETS[0], 0, 302),  # attached for 300 s
            attachment(2, TARGETS[1], 8),  # 590 s
            attachment(3, TARGETS[0], 400, 502),  # 100 s more of the first node
            attachment(4, TARGETS[2], 560),  # 38 s: less than a tenth of the window
        ]
    )
    run = run_of(contents)
    load = load_of(run, np.array([0, 30, 59, 10, 7]), series_of(run, 10, 600, 106))
    assert load.node.tolist() == [1, 2]
    assert load.attached_s.tolist() == [400.0, 590.0]
    assert load.lookups.tolist() == [40, 59]
    assert load.rate.tolist() == [6.0, 6.0]
    assert (load.gini, load.left_out) == (0.0, 1)
    # The same nodes are compared, and drawn lookups of the brief node are left out as its measured ones are.
    assert len(load.expected) == 2


def test_load_of_a_thin_fleet_is_of_all_known_nodes() -> None:
    bare = Attachment(2, TARGETS[1], 1, 1, TARGETS[1], 0, 0, at(0), lost_ns=at(600), reason="sealed")
    run = run_of(Contents(attachments=[attachment(1, TARGETS[0]), bare]))
    load = load_of(run, np.array([0, 598, 300]), series_of(run, 10, 600, 898))
    assert load.node.tolist() == [1, 2]
    assert load.attached_s.tolist() == [598.0, 600.0]
    assert load.rate.tolist() == [60.0, 30.0]


def test_lookups_count_for_their_inferred_destination() -> None:
    full = run_of(Contents(attachments=[attachment(1, TARGETS[0]), attachment(2, TARGETS[1])]))
    bare = Attachment(2, TARGETS[1], 1, 1, TARGETS[1], 0, 0, at(0))
    thin = run_of(Contents(attachments=[attachment(1, TARGETS[0]), bare]))
    table = SimpleNamespace(destination=np.array([1, 1], np.uint32), inferred=np.array([2, 1], np.uint32))
    which = SimpleNamespace(lookups=np.array([True, True]))
    for run in (full, thin):
        counter = DestinationCounter(run)
        counter.add(table, which)
        assert counter.result().tolist() == [0, 1, 1]


def test_hashing_alone_is_drawn_while_nodes_were_attached_and_at_the_times_of_traffic() -> None:
    # Two quarters of the zone each: the second node comes at 302 s, and all traffic is before 300 s.
    contents = Contents(attachments=[attachment(1, TARGETS[0]), attachment(2, TARGETS[2], 300)])
    run = run_of(contents)
    before = load_of(run, np.array([0, 1000, 0]), series_of(run, 10, 300, 1000))
    assert before.expected.tolist() == [0.0, pytest.approx(1000 * 60 / 598)]
    assert before.gini == before.expected_gini == 0.5
    # Even traffic: the first has all for 300 s and half after, so three times the lookups in twice the time.
    even = load_of(run, np.array([0, 3000, 1000]), series_of(run, 2, 600, 4000))
    rates = np.array([(300 + 298 / 2) / 598, 0.5]) * 4000 / 598 * 60
    assert even.expected == pytest.approx(np.sort(rates), rel=0.02)
    assert even.expected_gini == pytest.approx(gini(rates), abs=0.02)


def test_keys_spread_by_hashing_have_the_gini_of_hashing() -> None:
    """What is measured of lookups for random keys is what is drawn for them: the null agrees with its own data."""
    rng = np.random.default_rng(5)
    ids = [bytes([0xA4 | int(b[0]) & 3]) + b[1:].tobytes() for b in rng.integers(0, 256, (60, 20), np.uint8)]
    begins, lasts = rng.integers(0, 300, 60), rng.integers(100, 290, 60)
    contents = Contents(
        attachments=[
            attachment(i + 1, one, int(begin), int(begin + last))
            for i, (one, begin, last) in enumerate(zip(ids, begins, lasts, strict=True))
        ]
    )
    run = run_of(contents)
    counts = np.zeros(61, np.int64)
    for _ in range(3000):
        moment, key = int(at(float(rng.uniform(10, 580)))), bytes([0xA4 | int(rng.integers(4))]) + rng.bytes(19)
        there = [a for a in run.attachments if a.accepted_ns <= moment < a.lost_ns]
        if there:
            counts[min(there, key=lambda a: xor_distance(a.target_id, key)).number] += 1
    load = load_of(run, counts, series_of(run, 10, 580, 3000))
    assert load.gini == pytest.approx(load.expected_gini, abs=0.03)
    assert load.gini > 0.3


def test_hashing_alone_is_the_same_each_time() -> None:
    contents = Contents(attachments=[attachment(i + 1, target) for i, target in enumerate(TARGETS)])
    run = run_of(contents)
    first, second = (load_of(run, np.array([0, 1000, 0, 0, 0]), series_of(run, 5, 600, 1000)) for _ in range(2))
    assert first.expected.tolist() == second.expected.tolist()
    assert first.gini == 0.75


def test_many_lookups_are_drawn_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_balance, "_MOST_DRAWN", 500)
    run = run_of(Contents(attachments=[attachment(1, TARGETS[0]), attachment(2, TARGETS[2])]))
    load = load_of(run, np.array([0, 5000, 5000]), series_of(run, 5, 600, 10_000))
    assert load.expected == pytest.approx(10_000 / 2 * 60 / 598, rel=0.15)


def test_a_run_without_monitors_has_no_load() -> None:
    load = load_of(run_of(Contents()), np.zeros(1, np.int64), SeriesCounter(run_of(Contents())).result())
    assert (len(load.node), len(load.expected), load.left_out) == (0, 0, 0)
    assert math.isnan(load.gini)
    assert math.isnan(load.expected_gini)
