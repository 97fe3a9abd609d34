"""Publishers estimated from the publishes that a run captured, beside those that a Kad network really had."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.engine.database import NO_SORTS, Database
from analysis.load import NANOS, Run, load
from analysis.traffic.publishers import KeyPublishers, bounds, publishers, watched_share
from analysis.trust.capture import BY_TRUTH, CaptureRate
from montra.validation.judge import Judged
from montra.validation.kad_truth import KadTruth
from montra.validation.wilson import Proportion, wilson
from zone_store.captures import Kind, Lookups
from zone_store.contents import What
from zone_store.run.reader import RunReader

FILE = "file"
#: Publishers of a file from which its estimate is held to `MOST_ERROR` of the truth.
LEAST_PUBLISHERS = 20
MOST_ERROR = 0.1
#: Windows judged beside the whole time, in republish intervals; each begins at several times.
LENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
_STEP = 0.125
_ALL = 1 << 20  # keys: every file that was published
_SCHEMA = pa.schema(
    [
        ("time_ns", pa.int64()),
        ("requester", pa.uint64()),
        ("key", pa.binary()),
        ("what", pa.string()),
        ("maintenance", pa.uint8()),
    ]
)


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file over the whole time judged.

    shared: nodes told to share it; publishers: nodes that published it, by their packets; publishes: how often they
    did; captured: publish lookups of it that the run has; requesters: distinct ones; estimate, low, high: publishers as
    analysis estimates them; error: (estimate - publishers) / publishers; raw: rate times interval, as it is captured.
    """

    file: str
    shared: int
    publishers: int
    publishes: int
    captured: int
    requesters: int
    estimate: float
    low: float
    high: float
    error: float
    raw: float


@dataclass(frozen=True, slots=True)
class WindowResult:
    """Estimates from windows of one length, all files and beginnings together.

    intervals: length in republish intervals; windows: how many; estimates: in all; bias, spread: mean and standard
    deviation of their errors; worst: the largest error without its sign; held: those whose interval has the truth
    (windows overlap and share their publishes, so the true share is less sure than its own interval says). A file of
    which a window has no publish is estimated at none.
    """

    intervals: float
    windows: int
    estimates: int
    bias: float
    spread: float
    worst: float
    held: Proportion


@dataclass(frozen=True, slots=True)
class Republish:
    """All of it. Times are of our clock.

    since_ns, until_ns: the time judged, from when each publisher had published once; interval_s: of republishing;
    intervals: of them in that time; gap_s: median time between a node's publishes of a file, by its packets, of the
    daemons' clock; capture: of lookups for other keys, which corrects the estimates; files: most publishers first;
    windows: shortest first, the last one the whole time.
    """

    since_ns: int
    until_ns: int
    interval_s: float
    intervals: float
    gap_s: float
    capture: Proportion
    files: list[FileResult]
    windows: list[WindowResult]

    @property
    def judged(self) -> list[FileResult]:
        """Files with so many publishers that they must be right."""
        return [one for one in self.files if one.publishers >= LEAST_PUBLISHERS]

    @property
    def worst(self) -> float:
        """The largest error of those without its sign, NaN for none."""
        return max((abs(one.error) for one in self.judged), default=math.nan)

    @property
    def flaw(self) -> str:
        """Why this shows nothing, or the goal is missed, in a line; empty if all is well."""
        if not self.judged:
            return f"no file had {LEAST_PUBLISHERS} publishers"
        if self.intervals < 2:
            return f"the time judged is {self.intervals:.2f} republish intervals, not two"
        if not self.worst <= MOST_ERROR:
            return f"an estimate is {self.worst:.1%} from the truth, more than {MOST_ERROR:.0%}"
        return ""


def judge_republish(run_folder: Path, truth: KadTruth, judged: Judged, interval_s: float) -> Republish:
    """Compare the estimates of an attributed run with the truth; interval_s: of republishing a file, on our clock.

    judged: the run's lookups, for the capture rate. Raises RunError for a run that cannot be read.
    """
    shared = {bytes.fromhex(one.hash): len(one.publishers) for one in truth.record.files}
    published = _published(truth)
    since_ns = max((times[0] for nodes in published.values() for times in nodes.values()), default=0)
    until_ns = judged.until_ns
    capture = _capture(judged, set(shared))
    rate = CaptureRate(capture.share, capture.low, capture.high, capture.trials, BY_TRUTH) if capture.hits else None
    with RunReader(run_folder) as reader:
        run = load(reader)
        publishes = _publishes(reader.lookups(), list(shared))
    counts = {key: len(nodes) for key, nodes in published.items()}
    with Database() as db:
        db.register("lookups", publishes)
        db.register("sorts", NO_SORTS)
        db.users()
        estimated = _Estimates(run, db, round(interval_s * NANOS), rate)
        whole = estimated.between(since_ns, until_ns)
        files = [_file(key, shared[key], published[key], whole, since_ns, interval_s) for key in published]
        intervals = (until_ns - since_ns) / NANOS / interval_s
        lengths = [*(n for n in LENGTHS if n < intervals), intervals]
        windows = [_windows(estimated, n, since_ns, until_ns, counts) for n in lengths]
    gaps = [b - a for nodes in published.values() for times in nodes.values() for a, b in itertools.pairwise(times)]
    return Republish(
        since_ns=since_ns,
        until_ns=until_ns,
        interval_s=interval_s,
        intervals=intervals,
        gap_s=statistics.median(gaps) / NANOS * truth.record.settings.rate if gaps else math.nan,
        capture=capture,
        files=sorted(files, key=lambda one: (-one.publishers, one.file)),
        windows=windows,
    )


def _published(truth: KadTruth) -> dict[bytes, dict[int, list[int]]]:
    """Return when each node published each file as a source, by its packets: the beginnings of its stores, in order."""
    found: dict[bytes, dict[int, list[int]]] = {}
    for entry in truth.lookups:
        if What.SOURCE in entry.what:
            lookup = entry.lookup
            found.setdefault(lookup.key, {}).setdefault(lookup.requester.index, []).append(lookup.t_ns)
    return found


def _capture(judged: Judged, files: set[bytes]) -> Proportion:
    """Return the capture rate of lookups for other keys, so that no estimate is corrected by its own truth."""
    others = [verdict for verdict in judged.verdicts if verdict.lookup.key not in files]
    return wilson(sum(verdict.found is not None for verdict in others), len(others))


def _publishes(tables: Iterable[Lookups], keys: Sequence[bytes]) -> pa.Table:
    """Return users' publishes of these keys as the estimator's questions read them."""
    wanted = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
    width = wanted.shape[1]
    parts = [_SCHEMA.empty_table()]
    for table in tables:
        rows = np.ascontiguousarray(table.key).view(f"S{width}")[:, 0]
        mine = table.take(np.isin(rows, wanted.view(f"S{width}")[:, 0]) & (table.kind == Kind.PUBLISH))
        key = [row.tobytes() for row in mine.key]
        requester = mine.source_ip.astype(np.uint64) << np.uint64(16) | mine.source_port
        columns = [mine.time_ns, requester, pa.array(key, pa.binary()), ["publish"] * len(mine), mine.maintenance]
        parts.append(pa.table(columns, schema=_SCHEMA))
    return pa.concat_tables(parts)


class _Estimates:
    """Estimates from parts of a run."""

    def __init__(self, run: Run, db: Database, interval_ns: int, capture: CaptureRate | None) -> None:
        self.interval_ns = interval_ns
        self._run = run
        self._db = db
        self._capture = capture

    def most_unseen(self, begin_ns: int, end_ns: int) -> float:
        """Return the upper bound of publishers of a key of which this time has no publish."""
        watched = watched_share(self._within(begin_ns, end_ns), self.interval_ns)
        return bounds(0.0, watched * (1.0 if self._capture is None else self._capture.low))[1]

    def between(self, begin_ns: int, end_ns: int) -> dict[bytes, KeyPublishers]:
        """Return the publishers of each key, as if the run had been of this time only."""
        # The window's end belongs to the next one.
        run = self._within(begin_ns, end_ns - 1)
        found = publishers(self._db, run, {FILE: self.interval_ns / NANOS}, self._capture, most=_ALL)
        return {key.key: key for key in found.keys}

    def _within(self, begin_ns: int, end_ns: int) -> Run:
        return replace(self._run, start_ns=begin_ns, end_ns=end_ns)


def _file(
    key: bytes,
    shared: int,
    nodes: dict[int, list[int]],
    found: dict[bytes, KeyPublishers],
    since_ns: int,
    interval_s: float,
) -> FileResult:
    own = found.get(key)
    estimate = own.estimates[FILE] if own else None
    publishing = estimate.publishers if estimate else 0.0
    return FileResult(
        file=key.hex(),
        shared=shared,
        publishers=len(nodes),
        publishes=sum(t_ns >= since_ns for times in nodes.values() for t_ns in times),
        captured=own.publishes if own else 0,
        requesters=own.requesters if own else 0,
        estimate=publishing,
        low=estimate.low if estimate else 0.0,
        high=estimate.high if estimate else math.nan,
        error=publishing / len(nodes) - 1,
        raw=own.rate_per_minute / 60 * interval_s if own else 0.0,
    )


def _windows(
    estimated: _Estimates, intervals: float, since_ns: int, until_ns: int, counts: dict[bytes, int]
) -> WindowResult:
    """Estimate from all windows of one length."""
    length_ns = min(round(intervals * estimated.interval_ns), until_ns - since_ns)
    begins = list(_begins(since_ns, until_ns - length_ns, round(_STEP * estimated.interval_ns)))
    errors: list[float] = []
    held = 0
    for begin_ns in begins:
        found = estimated.between(begin_ns, begin_ns + length_ns)
        unseen = estimated.most_unseen(begin_ns, begin_ns + length_ns)
        for key, true in counts.items():
            if true < LEAST_PUBLISHERS:
                continue
            own = found.get(key)
            one = own.estimates[FILE] if own else None
            errors.append((one.publishers if one else 0.0) / true - 1)
            held += one.low <= true <= one.high if one else true <= unseen
    return WindowResult(
        intervals=intervals,
        windows=len(begins),
        estimates=len(errors),
        bias=statistics.fmean(errors) if errors else math.nan,
        spread=statistics.pstdev(errors) if errors else math.nan,
        worst=max(map(abs, errors), default=math.nan),
        held=wilson(held, len(errors)),
    )


def _begins(first_ns: int, last_ns: int, step_ns: int) -> Iterator[int]:
    while first_ns <= last_ns:
        yield first_ns
        first_ns += step_ns
