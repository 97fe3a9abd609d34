"""The number of publishers from publishes: against networks whose publishers are known."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from analysis.engine.columns import SCHEMA
from analysis.engine.database import Database
from analysis.load import NANOS, Run
from analysis.traffic.publishers import TOO_SHORT, Publishers, bounds, judged, publishers, watched_share
from analysis.trust.capture import BY_TRUTH, CaptureRate
from zone_store.captures import Maintenance

from ..samples import MINUTE, START_NS
from .worlds import rows, window

HOUR = 60 * MINUTE
FILE_S, KEYWORD_S = 5 * 3600.0, 24 * 3600.0
INTERVALS = {"file": FILE_S, "keyword": KEYWORD_S}
KEY, OTHER = 1, 2
TRIALS = 100
CONNECTION = Database()

#: (time_ns, requester, key)
Publish = tuple[int, int, int]


def table(published: list[Publish], what: str = "publish", maintenance: int = 0) -> pa.Table:
    """Return lookups of these rows, in order of time."""
    times, requesters, keys = (np.array(column) for column in zip(*sorted(published), strict=True))
    return rows((times - START_NS) / NANOS, requesters, keys, what, maintenance=maintenance)


def estimate(
    tables: list[pa.Table],
    run: Run,
    capture: CaptureRate | None = None,
    sorts: dict[int, str] | None = None,
    intervals: dict[str, float] | None = None,
) -> Publishers:
    """Estimate from these lookups, in one database for all tests: most of the time would go into opening it."""
    told = sorts or {}
    names = {
        "key": pa.array([one.to_bytes(20, "big") for one in told], pa.binary()),
        "sort": pa.array(list(told.values()), pa.string()),
    }
    CONNECTION.register("lookups", pa.concat_tables([SCHEMA.empty_table(), *tables]))
    CONNECTION.register("sorts", pa.table(names | {"told_by": pa.array(["contents"] * len(told), pa.string())}))
    CONNECTION.execute("CREATE OR REPLACE VIEW users AS SELECT * FROM lookups WHERE maintenance = 0")
    return publishers(CONNECTION, run, INTERVALS if intervals is None else intervals, capture, most=TRIALS)


def network(
    rng: random.Random,
    count: int,
    run: Run,
    period_s: float = FILE_S,
    late_s: float = 60.0,
    captured: float = 1.0,
    repeated: float = 0.0,
    key: int = KEY,
) -> Iterator[Publish]:
    """Yield the publishes of so many nodes that stay: each a random phase, late by up to `late_s` each time."""
    for node in range(count):
        t = run.start_ns - rng.uniform(0, 1) * period_s * NANOS
        while t < run.end_ns:
            down = any(begin <= t < end for begin, end in run.gaps)
            if t >= run.start_ns and not down and rng.random() < captured:
                yield int(t), node, key
                if rng.random() < repeated:  # the rest of the same store lookup, or one begun anew by mistake
                    yield int(t + rng.uniform(1, 900) * NANOS), node, key
            t += (period_s + rng.uniform(0, late_s)) * NANOS


@pytest.mark.parametrize("hours", [1.5, 4.9, 5.0, 6.0, 7.5, 10.0, 13.0, 24.0])
def test_publishers_that_stay_are_counted_in_windows_of_any_length(hours: float) -> None:
    rng = random.Random(7)
    run = window(hours)
    published = [row for key in range(TRIALS) for row in network(rng, 60, run, key=key)]
    found = [one.estimates["file"] for one in estimate([table(published)], run).keys]
    assert len(found) == TRIALS
    assert {one.interval_s for one in found} == {FILE_S}
    assert found[0].watched == pytest.approx(min(1.0, hours / 5))
    mean = sum(one.publishers for one in found) / len(found)
    assert mean == pytest.approx(60, rel=0.04)
    held = sum(one.low <= 60 <= one.high for one in found)
    if hours < 4.8:
        assert held >= 93
    else:  # nothing is left to chance but what is late
        assert all(one.publishers == pytest.approx(60, rel=0.04) for one in found)


@pytest.mark.parametrize(("hours", "told"), [(0.03, []), (0.49, []), (0.51, ["file"]), (2.5, ["file", "keyword"])])
def test_a_window_far_below_the_interval_gives_no_estimate(hours: float, told: list[str]) -> None:
    """All clients of a lab publish in its first minutes: 20 in two minutes would be 2,900 that publish a file."""
    run = window(hours)
    published = [(START_NS + node * NANOS, node, KEY) for node in range(20)]
    capture = CaptureRate(0.9, 0.85, 0.94, 200, BY_TRUTH)
    for rate in (None, capture):
        found = estimate([table(published)], run, rate)
        assert found.watched == pytest.approx({"file": hours / 5, "keyword": hours / 24})
        for name, one in found.keys[0].estimates.items():
            assert one.seen == 20
            numbers = (one.publishers, one.low, one.high)
            assert all(map(math.isfinite if name in told else math.isnan, numbers))
            assert one.withheld == ("" if name in told else TOO_SHORT)


def test_misses_are_corrected_and_the_interval_holds_the_truth() -> None:
    rng = random.Random(8)
    run = window(12.5)
    capture = CaptureRate(0.8, 0.77, 0.83, 700, BY_TRUTH)
    published = [row for key in range(TRIALS) for row in network(rng, 50, run, captured=0.8, key=key)]
    found = [one.estimates["file"] for one in estimate([table(published)], run, capture).keys]
    assert sum(one.publishers for one in found) / TRIALS == pytest.approx(50, rel=0.05)
    assert sum(one.low <= 50 <= one.high for one in found) >= 93
    assert all(one.seen < 50 for one in found)


def test_a_publisher_seen_several_times_counts_once() -> None:
    rng = random.Random(9)
    run = window(11)
    published = list(network(rng, 30, run, repeated=0.6))
    one = estimate([table(published)], run).keys[0]
    assert one.publishes == len(published) > 75
    assert one.estimates["file"].publishers == pytest.approx(30, rel=0.02)
    assert one.requesters == 30


def test_a_start_of_all_at_once_does_not_mislead() -> None:
    """In a lab all nodes publish in the same minutes: a rate over 11 h would say a third too many."""
    run = window(11)
    published = [
        (START_NS + int((0.1 + 5.01 * i) * HOUR) + node * NANOS, node, KEY) for node in range(25) for i in range(3)
    ]
    one = estimate([table(published)], run).keys[0]
    assert one.estimates["file"].publishers == pytest.approx(25, rel=0.01)
    assert one.rate_per_minute * 60 * 5 == pytest.approx(75 * 5 / 11)


def test_gaps_are_not_watched() -> None:
    rng = random.Random(10)
    run = window(12, [(3, 4), (8, 8.5)])
    interval = int(FILE_S) * NANOS
    assert judged(run, interval) == (START_NS + 5 * HOUR, run.end_ns)
    # Hours of down time in the intervals that end at 5 to 12 h: of the first hour all up to 8 h and half of it from
    # there to 9 h; of the second half hour a growing part from 8 h, all from 8.5 h on.
    whole = 7 * 5 - (3 * 1 + 0.5) - (0.125 + 3.5 * 0.5)
    assert watched_share(run, interval) == pytest.approx(whole / (7 * 5))
    published = [row for key in range(20) for row in network(rng, 80, run, key=key)]
    found = [one.estimates["file"].publishers for one in estimate([table(published)], run).keys]
    assert sum(found) / 20 == pytest.approx(80, rel=0.03)


def test_searches_and_maintenance_are_no_publishes() -> None:
    run = window(6)
    published = [(START_NS + MINUTE * i, i, KEY) for i in range(10)]
    found = estimate([table(published, "search"), table(published, maintenance=Maintenance.OUTSIDE_ZONE)], run)
    assert found.keys == []
    assert estimate([table(published)], run, intervals={}).keys == []


def test_the_key_published_most_comes_first_and_says_what_it_is() -> None:
    run = window(12)
    often = [(START_NS + int(h * HOUR) + node * MINUTE, node, KEY) for node in range(4) for h in (0.5, 5.6, 10.7)]
    twice = [(START_NS + int(h * HOUR), 9, OTHER) for h in (1, 1.1, 7)]
    found = estimate([table([*often, *twice])], run, sorts={OTHER: "keyword"})
    assert [(key.key, key.publishes, key.requesters, key.repeats) for key in found.keys] == [
        (KEY.to_bytes(20, "big"), 12, 4, 8),
        (OTHER.to_bytes(20, "big"), 3, 1, 1),  # six minutes later is the same publish
    ]
    assert [(key.sort, key.told_by) for key in found.keys] == [("file", "repeats"), ("keyword", "contents")]
    assert (found.repeats, found.near) == (9, {"file": 8, "keyword": 0})
    assert found.median_s == pytest.approx(5.1 * 3600, abs=1)
    assert found.keys[1].estimates["keyword"].publishers == pytest.approx(2.0)  # one in half an interval


def test_few_repeats_or_none_tell_nothing() -> None:
    run = window(12)
    published = [(START_NS + int(h * HOUR), node, KEY) for node in range(2) for h in (0.5, 5.6)]
    key = estimate([table(published)], run).keys[0]
    assert (key.sort, key.told_by, key.repeats) == ("", "", 2)
    alone = estimate([table(published[:1])], run)
    assert math.isnan(alone.median_s)


@pytest.mark.parametrize(("chance", "count"), [(1.0, 10), (0.9, 40), (0.3, 40), (0.1, 200)])
def test_bounds_hold_the_truth_as_often_as_they_say(chance: float, count: int) -> None:
    rng = np.random.default_rng(5)
    seen = rng.binomial(count, chance, 4000)
    held = np.mean([low <= count <= high for low, high in (bounds(float(n), chance) for n in seen)])
    assert 0.93 <= held <= 1.0


def test_bounds_of_nothing_and_of_impossible_chances() -> None:
    assert bounds(0.0, 0.5)[0] == 0.0
    assert bounds(0.0, 0.5)[1] > 3
    assert bounds(12.0, 1.0) == (12.0, 12.0)
    assert all(map(math.isnan, bounds(3.0, 0.0)))
