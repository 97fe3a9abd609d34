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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.engine.database import Database
from analysis.load import NANOS, Run
from analysis.traffic.intervals import Z
from analysis.trust.capture import CaptureRate

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

    def told(self, sort: str) -> bool:
        """Tell whether enough of the republish interval was watched to estimate publishers."""
        return self.watched[sort] >= LEAST_WATCHED


def bounds(seen: float, chance: float) -> tuple[float, float]:
    """Return the 95 % bounds of n where `seen` of n things were seen, each with this chance (score interval for n)."""
    if not 0 < chance <= 1:
        return math.nan, math.nan
    spread = Z * Z * chance * (1 - chance)
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
    db: Database,
    run: Run,
    intervals_s: Mapping[str, float],
    capture: CaptureRate | None,
    most: int = TOP_KEYS,
) -> Publishers:
    """Return the publishers of the keys published most, equals by key, from the publishes in the window.

    db: with `users`, and `sorts` for what keys are; intervals_s: republish interval of each sort of key.
    """
    watched = {name: watched_share(run, round(seconds * NANOS)) for name, seconds in intervals_s.items()}
    near = dict.fromkeys(intervals_s, 0)
    if not intervals_s:
        return Publishers([], {}, watched, capture, 0, math.nan, near)
    _see_top(db, run, most)
    _see_publishes(db, run, intervals_s)
    asked = ", ".join(
        f"sum(near{i})::BIGINT AS near{i}, sum(active{i})::DOUBLE AS active{i}" for i in range(len(intervals_s))
    )
    keys = []
    for key, sort, told_by, publishes, requesters, repeats, *sums in db.rows(
        f"SELECT key, sort, told_by, counted.* EXCLUDE (number) FROM top_keys JOIN (SELECT number, count(*), "
        f"count(*) FILTER (gap IS NULL), sum(repeat)::BIGINT, {asked} FROM top_publishes GROUP BY number) AS counted "
        "USING (number) ORDER BY number"
    ):
        nears, active = sums[::2], sums[1::2]
        if not sort:
            sort = _by_repeats(repeats, nears, list(intervals_s))
            told_by = "repeats" if sort else ""
        estimates = {}
        for (name, seconds), active_ns in zip(intervals_s.items(), active, strict=True):
            begin, end = judged(run, round(seconds * NANOS))
            estimates[name] = _estimate(seconds, active_ns / max(end - begin, 1), watched[name], capture)
            near[name] += nears[len(estimates) - 1]
        keys.append(
            KeyPublishers(
                key=bytes(key),
                publishes=publishes,
                rate_per_minute=publishes * 60 / run.running_seconds if run.running_seconds else 0.0,
                requesters=requesters,
                repeats=repeats,
                sort=sort,
                told_by=told_by,
                estimates=estimates,
            )
        )
    median = db.rows("SELECT quantile_disc(gap // ?, 0.5) FROM top_publishes WHERE repeat = 1", NANOS)[0][0]
    return Publishers(
        keys=keys,
        intervals_s=dict(intervals_s),
        watched=watched,
        capture=capture,
        repeats=sum(key.repeats for key in keys),
        median_s=math.nan if median is None else median + 0.5,
        near=near,
    )


def _see_top(db: Database, run: Run, most: int) -> None:
    """Make `top_keys`: the keys published most, in order, by number."""
    db.execute(
        "CREATE OR REPLACE TEMP TABLE top_keys AS SELECT row_number() OVER (ORDER BY n DESC, key)::UINTEGER AS number, "
        "key, coalesce(sort, '') AS sort, coalesce(told_by, '') AS told_by FROM ("
        "SELECT key, count(*) AS n FROM users WHERE what = 'publish' AND time_ns BETWEEN ? AND ? "
        f"GROUP BY key ORDER BY n DESC, key LIMIT {most}) LEFT JOIN sorts USING (key)",
        run.start_ns,
        run.end_ns,
    )


def _see_publishes(db: Database, run: Run, intervals_s: Mapping[str, float]) -> None:
    """Make `top_publishes`: each publish of those keys, by the key's number.

    gap: time until its requester's next one, NULL for the last; repeat: 1 if that is no part of the same; near of each
    interval: 1 if it comes after about so long; active: how long this one counts within the times judged: an interval,
    or until the next. Where one time only is judged: 1 if it counts then.
    """
    least_ns = round(SAME_PUBLISH * min(intervals_s.values()) * NANOS)
    columns = []
    for i, seconds in enumerate(intervals_s.values()):
        interval = round(seconds * NANOS)
        first, last = judged(run, interval)
        until = f"(time_ns + least(coalesce(gap, {interval}), {interval}))"
        length = (
            f"({until} > {last})::BIGINT"
            if first == last
            else f"greatest({first}, least({last}, {until})) - greatest({first}, least({last}, time_ns))"
        )
        near = f"gap >= {least_ns} AND abs(gap - {interval}) <= {round(NEAR * interval)}"
        columns += [f"coalesce(({near})::UTINYINT, 0) AS near{i}", f"{length} AS active{i}"]
    db.execute(
        "CREATE OR REPLACE TEMP TABLE top_publishes AS SELECT number, gap, "
        f"coalesce((gap >= {least_ns})::UTINYINT, 0) AS repeat, {', '.join(columns)} FROM (SELECT number, time_ns, "
        "lead(time_ns) OVER (PARTITION BY number, requester ORDER BY time_ns) - time_ns AS gap "
        "FROM users JOIN top_keys USING (key) WHERE what = 'publish' AND time_ns BETWEEN ? AND ?)",
        run.start_ns,
        run.end_ns,
    )


def _estimate(interval_s: float, active: float, watched: float, capture: CaptureRate | None) -> Estimate:
    if watched < LEAST_WATCHED:
        return Estimate(interval_s, active, watched, math.nan, math.nan, math.nan, TOO_SHORT)
    share, least, most = (1.0, 1.0, 1.0) if capture is None else (capture.share, capture.low, capture.high)
    chance = watched * share
    low, high = bounds(active, watched * most)[0], bounds(active, watched * least)[1]
    return Estimate(interval_s, active, watched, active / chance, low, high)


def _by_repeats(repeats: int, nears: Sequence[int], names: Sequence[str]) -> str:
    """Return what a key is if most of its repeats are near to one interval, else ""."""
    for name, near in zip(names, nears, strict=True):
        if near >= LEAST_REPEATS and 2 * near > repeats:
            return name
    return ""
