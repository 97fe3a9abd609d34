"""How many nodes publish a key: from the publishes seen and the interval after which clients publish again.

A client publishes what it shares once an interval: in eMule and aMule a file's sources every 5 h, a keyword every 24 h
(KADEMLIAREPUBLISHTIMES and -K, `Constants.h`), counted from its last publish. aMule looks at one shared file every 2 s
(`SharedFileList.cpp:Publish`), so an interval is really longer by up to 2 s for each file that the client shares: 1 %
for 90 files, which makes the estimate so much too low. Keywords begin anew when a client starts, files do not (the
time is kept in known.met), and a new buddy makes a firewalled client publish all its files at once.

So each publish says that its requester publishes for one interval on. The number of publishers at a time t is the
number of requesters with a publish in the interval before t, and the estimate is its mean over the times whose interval
lies in the window. A requester that publishes too often counts once, and a window need not be a multiple of the
interval, nor need publishes be spread evenly over it. Of a window shorter than the interval, publishers are seen in
proportion: the number of requesters is divided by the share of the interval that was watched, which is right only if
publishes are spread evenly. Less than `LEAST_WATCHED` of it is not enough for that, and gives no estimate: minutes
after clients start, all of them publish at once. With requesters that never repeat within an interval all of this is
rate times interval (paper, section V and figure 5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.counting import big_endian
from analysis.load import NANOS, Run
from analysis.traffic.rates import KeyCounts, masks
from analysis.trust.capture import CaptureRate
from zone_store.captures import Lookups
from zone_store.keyspace.ids import sort_order

TOP_KEYS = 50
NEAR = 0.1
"""A repeat so near to an interval, as a share of it, speaks for that interval."""
LEAST_REPEATS = 3
LEAST_WATCHED = 0.1
"""Of an interval of which less was watched, publishers are not estimated."""
TOO_SHORT = f"less than {100 * LEAST_WATCHED:.0f} % of the interval was watched"
SAME_PUBLISH = 0.05
"""Publishes of a requester nearer to each other than this share of the shortest interval are one: a store lookup lasts
up to 140 s and may be in parts."""

_Z = 1.959964  # 95 %
_PENDING_ROWS = 1 << 18


@dataclass(frozen=True, slots=True)
class Estimate:
    """Publishers of a key at a time, if it is published every `interval_s`.

    seen: mean number of requesters that published in an interval; watched: share of an interval that the window shows;
    publishers: seen / (watched * capture rate), the capture rate being 1 where nobody knows it; low, high: its 95 %
    bounds, of phases not seen, of misses (a publisher that is missed is taken to be missed always) and of the capture
    rate's own interval; withheld: why these three are NaN, "" where they are not.
    """

    interval_s: float
    seen: float
    watched: float
    publishers: float
    low: float
    high: float
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class KeyPublishers:
    """One of the keys published most.

    publishes: publish lookups captured; requesters: distinct (address, port) of them; repeats: times that one of them
    published again; sort: what the key is (a name of `estimates`, or another thing), "" if unknown; told_by: "contents"
    (what was said of it), "word list" or "repeats".
    """

    key: bytes
    publishes: int
    rate_per_minute: float
    requesters: int
    repeats: int
    sort: str
    told_by: str
    estimates: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Publishers:
    """Publishers of the keys published most, most publishes first.

    intervals_s: by what is published; watched: share of each interval that the window shows; capture: what corrects
    estimates, None if nobody knows; repeats: of all keys here; median_s: their median, NaN without any; near: of them,
    those within 10 % of each interval.
    """

    keys: list[KeyPublishers]
    intervals_s: dict[str, float]
    watched: dict[str, float]
    capture: CaptureRate | None
    repeats: int
    median_s: float
    near: dict[str, int]


def bounds(seen: float, chance: float) -> tuple[float, float]:
    """Return the 95 % bounds of n where `seen` of n things were seen, each with this chance (score interval for n)."""
    if not 0 < chance <= 1:
        return math.nan, math.nan
    spread = _Z * _Z * chance * (1 - chance)
    middle = 2 * seen * chance + spread
    root = math.sqrt(max(0.0, middle * middle - 4 * chance * chance * seen * seen))
    return (middle - root) / (2 * chance * chance), (middle + root) / (2 * chance * chance)


def watched_share(run: Run, interval_ns: int) -> float:
    """Return the mean share of the interval before a time in which the run was at work, over `judged` times."""
    begin, end = judged(run, interval_ns)
    edges = {begin, end}
    for edge in (edge for gap in ((run.start_ns, run.start_ns), (run.end_ns, run.end_ns), *run.gaps) for edge in gap):
        edges |= {at for at in (edge, edge + interval_ns) if begin < at < end}
    times = np.array(sorted(edges), np.int64)
    shares = np.array([run.running_ns(np.array([t - interval_ns, t]))[0] for t in times.tolist()]) / interval_ns
    if len(times) == 1:
        return float(shares[0])
    return float((np.diff(times) * (shares[1:] + shares[:-1]) / 2).sum() / (end - begin))


def judged(run: Run, interval_ns: int) -> tuple[int, int]:
    """Return the times over which publishers are counted: those whose interval lies in the window, or its end only."""
    return min(run.start_ns + interval_ns, run.end_ns), run.end_ns


def publishers(
    counts: KeyCounts,
    tables: Iterable[Lookups],
    run: Run,
    intervals_s: Mapping[str, float],
    capture: CaptureRate | None,
    sorts: Mapping[bytes, tuple[str, str]],
    most: int = TOP_KEYS,
) -> Publishers:
    """Return the publishers of the keys published most; `tables`, in time order, are gone through for them.

    intervals_s: republish interval of each sort of key; sorts: what keys are known to be, and what tells it.
    """
    published = np.flatnonzero(counts.publishes > 0) if intervals_s else np.empty(0, np.intp)
    best = published[np.argsort(-counts.publishes[published], kind="stable")[:most]]
    counter = _Counter(run, counts.keys[np.sort(best)], list(intervals_s.values()))
    if len(best):
        for table in tables:
            counter.add(table)
    found = counter.result()
    watched = {name: watched_share(run, round(seconds * NANOS)) for name, seconds in intervals_s.items()}
    place = {row: i for i, row in enumerate(np.sort(best).tolist())}
    keys = []
    for row in best.tolist():
        key, own = counts.keys[row].tobytes(), found.of(place[row])
        sort, told_by = _sort(key, own, list(intervals_s), sorts)
        keys.append(
            KeyPublishers(
                key=key,
                publishes=int(counts.publishes[row]),
                rate_per_minute=int(counts.publishes[row]) * 60 / run.running_seconds if run.running_seconds else 0.0,
                requesters=own.requesters,
                repeats=own.repeats,
                sort=sort,
                told_by=told_by,
                estimates={
                    name: _estimate(seconds, own.active[i], watched[name], capture)
                    for i, (name, seconds) in enumerate(intervals_s.items())
                },
            )
        )
    return Publishers(
        keys=keys,
        intervals_s=dict(intervals_s),
        watched=watched,
        capture=capture,
        repeats=int(found.repeats.sum()),
        median_s=found.median_s,
        near=dict(zip(intervals_s, found.near.sum(axis=0).tolist(), strict=True)),
    )


def _estimate(interval_s: float, active: float, watched: float, capture: CaptureRate | None) -> Estimate:
    if watched < LEAST_WATCHED:
        return Estimate(interval_s, active, watched, math.nan, math.nan, math.nan, TOO_SHORT)
    share, least, most = (1.0, 1.0, 1.0) if capture is None else (capture.share, capture.low, capture.high)
    chance = watched * share
    low, high = bounds(active, watched * most)[0], bounds(active, watched * least)[1]
    return Estimate(interval_s, active, watched, active / chance, low, high)


def _sort(key: bytes, own: _Of, names: Sequence[str], sorts: Mapping[bytes, tuple[str, str]]) -> tuple[str, str]:
    """Return what a key is, and what tells: `sorts`, or that most repeats are near to one interval."""
    known = sorts.get(key, ("", ""))
    if known[0]:
        return known
    for name, near in zip(names, own.near, strict=True):
        if near >= LEAST_REPEATS and 2 * near > own.repeats:
            return name, "repeats"
    return "", ""


@dataclass(frozen=True, slots=True)
class _Of:
    requesters: int
    repeats: int
    near: list[int]
    active: list[float]


@dataclass(frozen=True, slots=True)
class _Found:
    """Of each key: requesters, repeats int64[m]; near int64[m, k]; active float64[m, k], for each interval."""

    requesters: NDArray[np.int64]
    repeats: NDArray[np.int64]
    near: NDArray[np.int64]
    active: NDArray[np.float64]
    median_s: float

    def of(self, row: int) -> _Of:
        return _Of(
            int(self.requesters[row]), int(self.repeats[row]), self.near[row].tolist(), self.active[row].tolist()
        )


class _Counter:
    """Goes through publishes in time order; memory grows with the distinct (key, requester) pairs."""

    def __init__(self, run: Run, keys: NDArray[np.uint8], intervals_s: list[float]) -> None:
        width = keys.shape[1]
        self._keys = np.ascontiguousarray(keys).view(f"S{width}")[:, 0] if len(keys) else np.empty(0, f"S{width}")
        self._intervals = [round(seconds * NANOS) for seconds in intervals_s]
        self._judged = [judged(run, interval) for interval in self._intervals]
        self._least_ns = round(SAME_PUBLISH * min(self._intervals, default=0))
        self._pairs = np.empty((0, 2 + 4 + 2), np.uint8)
        self._last_ns = np.empty(0, np.int64)
        self._rows: list[NDArray[np.uint8]] = []
        self._times: list[NDArray[np.int64]] = []
        self._pending = 0
        self._active_ns = np.zeros((len(keys), len(self._intervals)), np.float64)
        self._repeats = np.zeros(len(keys), np.int64)
        self._near = np.zeros((len(keys), len(self._intervals)), np.int64)
        self._gaps = np.zeros(0, np.int64)  # repeats by seconds since the one before

    def add(self, table: Lookups) -> None:
        """Take a table."""
        table = table.take(masks(table).publishes)
        asked = np.ascontiguousarray(table.key).view(self._keys.dtype)[:, 0]
        at = np.minimum(np.searchsorted(self._keys, asked), len(self._keys) - 1)
        hit = self._keys[at] == asked
        self._rows.append(big_endian(at[hit].astype(np.uint16), table.source_ip[hit], table.source_port[hit]))
        self._times.append(table.time_ns[hit])
        self._pending += int(hit.sum())
        if self._pending > max(_PENDING_ROWS, len(self._pairs)):
            self._take_pending()

    def result(self) -> _Found:
        """Return the sums."""
        self._take_pending()
        # What each pair's last publish tells holds until its interval is over.
        self._count_active(_key(self._pairs), self._last_ns, np.full(len(self._pairs), np.iinfo(np.int64).max))
        spans = np.array([max(end - begin, 1) for begin, end in self._judged], np.float64)
        half = (self._gaps.sum() + 1) // 2
        median = float(np.searchsorted(np.cumsum(self._gaps), half)) + 0.5 if half else math.nan
        requesters = np.bincount(_key(self._pairs), minlength=len(self._keys))
        return _Found(requesters, self._repeats, self._near, self._active_ns / spans, median)

    def _take_pending(self) -> None:
        """Count all publishes but each pair's last, which waits for the next."""
        rows = np.concatenate([self._pairs, *self._rows])
        times = np.concatenate([self._last_ns, *self._times])
        self._rows, self._times, self._pending = [], [], 0
        if not len(rows):
            return
        order = sort_order(np.concatenate([rows, big_endian(times.astype(np.uint64))], axis=1))
        rows, times = rows[order], times[order]
        again = (rows[1:] == rows[:-1]).all(axis=1)
        first = np.flatnonzero(again)
        key, begin, following = _key(rows[first]), times[first], times[first + 1]
        self._count_active(key, begin, following)
        self._count_repeats(key, following - begin)
        last = np.append(~again, True)
        self._pairs, self._last_ns = rows[last], times[last]

    def _count_active(self, key: NDArray[np.intp], begin: NDArray[np.int64], following: NDArray[np.int64]) -> None:
        """Add how long each publish counted, within the times judged: an interval, or until the next one."""
        for column, (interval, (first, last)) in enumerate(zip(self._intervals, self._judged, strict=True)):
            until = np.minimum(following, begin + interval)
            if first == last:  # one time only: who published before it, and not yet again
                length = (until > last).astype(np.int64)
            else:
                length = np.clip(until, first, last) - np.clip(begin, first, last)
            self._active_ns[:, column] += np.bincount(key, length, minlength=len(self._keys))

    def _count_repeats(self, key: NDArray[np.intp], gap: NDArray[np.int64]) -> None:
        repeat = gap >= self._least_ns
        key, gap = key[repeat], gap[repeat]
        self._repeats += np.bincount(key, minlength=len(self._keys))
        for column, interval in enumerate(self._intervals):
            near = np.abs(gap - interval) <= NEAR * interval
            self._near[:, column] += np.bincount(key[near], minlength=len(self._keys))
        seconds = np.bincount(gap // NANOS, minlength=len(self._gaps))
        seconds[: len(self._gaps)] += self._gaps
        self._gaps = seconds


def _key(pairs: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the number of the key of each pair."""
    return pairs[:, 0].astype(np.intp) << 8 | pairs[:, 1]
