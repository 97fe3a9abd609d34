"""Rates over time and for each key, with known values."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from analysis.traffic.rates import KeyCounter, SeriesCounter, bin_seconds, ccdf, envelope, key_rates, masks
from zone_store.captures import Kind, Loss, Maintenance
from zone_store.run.reader import RunReader

from ..samples import KEY_A, KEY_B, KEY_C, START_NS, Contents, at, run_of, sample


@pytest.mark.parametrize(
    ("seconds", "width"),
    [(0, 1), (120, 1), (401, 5), (6 * 3600, 60), (24 * 3600, 300), (400 * 86400, 86400), (900 * 86400, 3 * 86400)],
)
def test_bins_are_round_and_not_too_many(seconds: float, width: int) -> None:
    assert bin_seconds(seconds) == width


def test_ccdf_is_the_share_of_values_at_least_as_large() -> None:
    x, share = ccdf(np.array([1.0, 2.0, 2.0, 5.0]))
    assert x.tolist() == [1.0, 2.0, 5.0]
    assert share.tolist() == [1.0, 0.75, 0.25]
    assert [part.tolist() for part in ccdf(np.empty(0))] == [[], []]


def test_key_rates_are_a_minute_and_leave_out_keys_never_asked_for() -> None:
    assert key_rates(np.array([3, 0, 6]), 180).tolist() == [1.0, 2.0]
    assert key_rates(np.array([3]), 0).tolist() == []


def test_envelope_is_the_least_and_greatest_at_every_rate() -> None:
    first = (np.array([1.0, 3.0]), np.array([1.0, 0.5]))
    second = (np.array([2.0, 4.0]), np.array([1.0, 0.25]))
    x, least, greatest = envelope([first, second])
    assert x.tolist() == [1.0, 2.0, 3.0, 4.0]
    # The first has no key at 4; of both, all are at least at 1; at 2 half of the first are at 3.
    assert least.tolist() == [1.0, 0.5, 0.25, 0.0]
    assert greatest.tolist() == [1.0, 1.0, 0.5, 0.25]


def test_series_and_keys_of_the_sample(sample_run: Path) -> None:
    run = run_of(sample())
    series, keys = SeriesCounter(run), KeyCounter(20)
    with RunReader(sample_run) as reader:
        for table in reader.lookups():
            which = masks(table)
            series.add(table, which)
            keys.add(table, which)
    found = series.result()
    assert (found.width_s, len(found.begin_ns), found.begin_ns[0]) == (5, 120, START_NS)
    assert found.counts.sum(axis=0).tolist() == [5, 1, 1, 1, 0, 0]
    assert found.counts[12].tolist() == [1, 0, 1, 0, 0, 0]  # 60 s to 65 s: Alice's lookup and her announce
    assert found.a_minute("lookups")[12] == 12.0
    counts = keys.result()
    assert [key.tobytes() for key in counts.keys] == [KEY_A, KEY_B, KEY_C]
    assert counts.lookups.tolist() == [4, 1, 0]
    assert (counts.node_lookups.tolist(), counts.announces.tolist()) == ([0, 0, 1], [1, 0, 0])
    assert counts.no_seed.tolist() == [1, 0, 0]


def test_a_bin_without_work_has_no_rate_and_a_bin_half_at_work_has_twice_the_count() -> None:
    contents = Contents(minutes=60 * 6)
    run = run_of(contents)
    with_gap = type(run)(
        run.name,
        run.manifest,
        run.start_ns,
        run.end_ns,
        ((at(30), at(120)),),
        0,
        (),
        (),
        (Loss("not_running", 0, 0, 0),),
    )
    series = SeriesCounter(with_gap).result()
    series.counts[0, 0] = 4
    assert series.width_s == 60
    assert series.a_minute("lookups")[0] == 8.0
    assert math.isnan(series.a_minute("lookups")[1])
    assert series.a_minute("lookups")[2] == 0.0


def test_coarser_bins_have_the_same_sums() -> None:
    series = SeriesCounter(run_of(Contents(minutes=60 * 6))).result()
    series.counts[:, 0] = 1
    coarse = series.coarser(100)
    assert (coarse.width_s, len(coarse.begin_ns)) == (240, 90)
    assert coarse.counts[:, 0].tolist() == [4] * 90
    assert coarse.running_s.sum() == 6 * 3600


def test_masks_tell_kinds_apart(sample_run: Path) -> None:
    with RunReader(sample_run) as reader:
        table = next(reader.lookups()).take(np.arange(6))
    table.kind = np.array(
        [Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH, Kind.NODE_LOOKUP, Kind.ANNOUNCE, Kind.LOOKUP], np.uint8
    )
    table.maintenance = np.array([0, 0, 0, 0, 0, Maintenance.OWN_ID], np.uint8)
    which = masks(table)
    assert which.lookups.tolist() == [True, True, True, False, False, False]
    assert which.searches.tolist() == [False, True, False, False, False, False]
    assert which.publishes.tolist() == [False, False, True, False, False, False]
    assert which.node_lookups.tolist() == [False, False, False, True, False, False]
    assert which.announces.tolist() == [False, False, False, False, True, False]
    assert which.maintenance.tolist() == [False] * 5 + [True]
