"""The number of publishers from publishes: against networks whose publishers are known."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from analysis.load import NANOS, Run
from analysis.traffic.publishers import TOO_SHORT, Publishers, bounds, judged, publishers, watched_share
from analysis.traffic.rates import KeyCounter, masks
from analysis.trust.capture import BY_TRUTH, CaptureRate
from zone_store.captures import Kind, Lookups, Maintenance

from ..samples import MINUTE, START_NS, Contents, run_of

HOUR = 60 * MINUTE
FILE_S, KEYWORD_S = 5 * 3600.0, 24 * 3600.0
INTERVALS = {"file": FILE_S, "keyword": KEYWORD_S}
KEY, OTHER = bytes([1]) * 16, bytes([2]) * 16

#: (time_ns, requester, key)
Publish = tuple[int, int, bytes]


def window(hours: float, gaps: Iterable[tuple[float, float]] = ()) -> Run:
    """Return a run of so many hours, down between these hours of it."""
    run = run_of(Contents(minutes=0))
    down = tuple((START_NS + int(a * HOUR), START_NS + int(b * HOUR)) for a, b in gaps)
    return replace(run, end_ns=START_NS + int(hours * HOUR), gaps=down)


def table(rows: list[Publish], kind: Kind = Kind.PUBLISH, maintenance: int = 0) -> Lookups:
    """Return lookups of these rows, in order of time."""
    rows = sorted(rows)
    n = len(rows)
    keys = np.frombuffer(b"".join(key for _, _, key in rows), np.uint8).reshape(n, 16)
    zero = np.zeros(n, np.uint32)
    times = np.array([t for t, _, _ in rows], np.int64)
    return Lookups(
        time_ns=times,
        last_ns=times,
        source_ip=np.array([requester for _, requester, _ in rows], np.uint32),
        source_port=np.full(n, 4672, np.uint16),
        requester_id=np.zeros((n, 16), np.uint8),
        key=keys,
        kind=np.full(n, kind, np.uint8),
        flags=zero.astype(np.uint16),
        version=zero,
        copies=zero.astype(np.uint16),
        packets=zero,
        destination=zero,
        closest=zero,
        rank=zero.astype(np.uint16),
        margin=zero.astype(np.float32),
        maintenance=np.full(n, maintenance, np.uint8),
        inferred=zero,
        confidence=zero.astype(np.float32),
    )


def estimate(
    tables: list[Lookups],
    run: Run,
    capture: CaptureRate | None = None,
    sorts: dict[bytes, tuple[str, str]] | None = None,
    intervals: dict[str, float] | None = None,
) -> Publishers:
    counter = KeyCounter(16)
    for one in tables:
        counter.add(one, masks(one))
    return publishers(
        counter.result(), tables, run, INTERVALS if intervals is None else intervals, capture, sorts or {}
    )


def network(
    rng: random.Random,
    count: int,
    run: Run,
    period_s: float = FILE_S,
    late_s: float = 60.0,
    captured: float = 1.0,
    repeated: float = 0.0,
) -> Iterator[Publish]:
    """Yield the publishes of so many nodes that stay: each a random phase, late by up to `late_s` each time."""
    for node in range(count):
        t = run.start_ns - rng.uniform(0, 1) * period_s * NANOS
        while t < run.end_ns:
            down = any(begin <= t < end for begin, end in run.gaps)
            if t >= run.start_ns and not down and rng.random() < captured:
                yield int(t), node, KEY
                if rng.random() < repeated:  # the rest of the same store lookup, or one begun anew by mistake
                    yield int(t + rng.uniform(1, 900) * NANOS), node, KEY
            t += (period_s + rng.uniform(0, late_s)) * NANOS


@pytest.mark.parametrize("hours", [1.5, 4.9, 5.0, 6.0, 7.5, 10.0, 13.0, 24.0])
def test_publishers_that_stay_are_counted_in_windows_of_any_length(hours: float) -> None:
    rng = random.Random(7)
    run = window(hours)
    found = []
    for _ in range(40):
        one = estimate([table(list(network(rng, 60, run)))], run).keys[0].estimates["file"]
        assert one.interval_s == FILE_S
        assert one.watched == pytest.approx(min(1.0, hours / 5))
        found.append(one)
    mean = sum(one.publishers for one in found) / len(found)
    assert mean == pytest.approx(60, rel=0.04)
    held = sum(one.low <= 60 <= one.high for one in found)
    if hours < 4.8:
        assert held >= 35  # 95 % of 40, and chance
    else:  # nothing is left to chance but what is late
        assert all(one.publishers == pytest.approx(60, rel=0.04) for one in found)


@pytest.mark.parametrize(("hours", "told"), [(0.03, []), (0.49, []), (0.51, ["file"]), (2.5, ["file", "keyword"])])
def test_a_window_far_below_the_interval_gives_no_estimate(hours: float, told: list[str]) -> None:
    """All clients of a lab publish in its first minutes: 20 in two minutes would be 2,900 that publish a file."""
    run = window(hours)
    rows = [(START_NS + node * NANOS, node, KEY) for node in range(20)]
    capture = CaptureRate(0.9, 0.85, 0.94, 200, BY_TRUTH)
    for rate in (None, capture):
        found = estimate([table(rows)], run, rate)
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
    found = [
        estimate([table(list(network(rng, 50, run, captured=0.8)))], run, capture).keys[0].estimates["file"]
        for _ in range(40)
    ]
    assert sum(one.publishers for one in found) / 40 == pytest.approx(50, rel=0.05)
    assert sum(one.low <= 50 <= one.high for one in found) >= 37
    assert all(one.seen < 50 for one in found)


def test_a_publisher_seen_several_times_counts_once() -> None:
    rng = random.Random(9)
    run = window(11)
    rows = list(network(rng, 30, run, repeated=0.6))
    one = estimate([table(rows)], run).keys[0]
    assert one.publishes == len(rows) > 75
    assert one.estimates["file"].publishers == pytest.approx(30, rel=0.02)
    assert one.requesters == 30


def test_a_start_of_all_at_once_does_not_mislead() -> None:
    """In a lab all nodes publish in the same minutes: a rate over 11 h would say a third too many."""
    run = window(11)
    rows = [(START_NS + int((0.1 + 5.01 * i) * HOUR) + node * NANOS, node, KEY) for node in range(25) for i in range(3)]
    one = estimate([table(rows)], run).keys[0]
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
    found = [
        estimate([table(list(network(rng, 80, run)))], run).keys[0].estimates["file"].publishers for _ in range(20)
    ]
    assert sum(found) / 20 == pytest.approx(80, rel=0.03)


def test_tables_in_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    run = window(12)
    rows = sorted(network(random.Random(11), 40, run, repeated=0.3))
    whole = estimate([table(rows)], run)
    monkeypatch.setattr("analysis.traffic.publishers._PENDING_ROWS", 10)
    parts = [table(rows[i : i + 7]) for i in range(0, len(rows), 7)]
    assert estimate(parts, run) == whole


def test_searches_and_maintenance_are_no_publishes() -> None:
    run = window(6)
    rows = [(START_NS + MINUTE * i, i, KEY) for i in range(10)]
    found = estimate([table(rows, Kind.SEARCH), table(rows, maintenance=Maintenance.OUTSIDE_ZONE)], run)
    assert found.keys == []
    assert estimate([table(rows)], run, intervals={}).keys == []


def test_the_key_published_most_comes_first_and_says_what_it_is() -> None:
    run = window(12)
    often = [(START_NS + int(h * HOUR) + node * MINUTE, node, KEY) for node in range(4) for h in (0.5, 5.6, 10.7)]
    twice = [(START_NS + int(h * HOUR), 9, OTHER) for h in (1, 1.1, 7)]
    found = estimate([table([*often, *twice])], run, sorts={OTHER: ("keyword", "word list")})
    assert [(key.key, key.publishes, key.requesters, key.repeats) for key in found.keys] == [
        (KEY, 12, 4, 8),
        (OTHER, 3, 1, 1),  # six minutes later is the same publish
    ]
    assert [(key.sort, key.told_by) for key in found.keys] == [("file", "repeats"), ("keyword", "word list")]
    assert (found.repeats, found.near) == (9, {"file": 8, "keyword": 0})
    assert found.median_s == pytest.approx(5.1 * 3600, abs=1)
    assert found.keys[1].estimates["keyword"].publishers == pytest.approx(2.0)  # one in half an interval


def test_few_repeats_or_none_tell_nothing() -> None:
    run = window(12)
    rows = [(START_NS + int(h * HOUR), node, KEY) for node in range(2) for h in (0.5, 5.6)]
    key = estimate([table(rows)], run).keys[0]
    assert (key.sort, key.told_by, key.repeats) == ("", "", 2)
    alone = estimate([table(rows[:1])], run)
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
