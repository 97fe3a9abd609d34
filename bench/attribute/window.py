"""Windows of any size with a known truth: attachments that come and go, lookups of many kinds, their copies.

A slice of lookups is drawn at once. A lookup goes to the nearest targets attached over the whole slice; a passer-by
(a walk towards another zone, a refresh) goes to one or two of all targets; a slow asker asks again every 50 s, which
keeps its lookup open for six minutes. Requesters take turns, so no two lookups of one requester meet within a span.
The truth is computed here from the drawn lookups themselves, by plain XOR over each lookup's own receivers, never by
montra's code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.attribute.truth import Sum, sum_of
from bench.common.compiler import BenchError
from zone_store.captures import Attachment, Captures, Kind
from zone_store.keyspace.ids import take
from zone_store.run.folder import Manifest
from zone_store.run.writer import RunWriter

START_NS = 1_800_000_000 * 10**9
SECOND = 10**9
ID_BYTES = 20
ZONE, ZONE_BITS, ZONE_TOP = "a4/6", 6, 0b101001

#: Copies that most lookups are sent as, of which some are lost on the way or repeated.
FAN = 8
LOST, REPEATED = 0.05, 0.03
#: Shares of lookups: announces, node lookups, passers-by (1 or 2 copies), slow askers; the rest are plain lookups.
ANNOUNCES, NODE_LOOKUPS, PASSERS, SLOW = 0.12, 0.12, 0.10, 0.005
SLOW_STEP_NS = 50 * SECOND
#: Least time between two lookups of one requester: the slowest lookup, a span, and room.
TURN_S = 600
#: Lookups drawn at once: at most so many, and few enough that few targets come or go meanwhile.
SLICE, LEAST_SLICE, SLICE_LIFETIMES = 1 << 16, 64, 0.02
#: Captures that may wait for the disk.
MOST_PENDING = 4_000_000
COPIES = 7.1
"""Copies a lookup by the shares above, about."""


@dataclass(frozen=True, slots=True)
class Shape:
    """rows: captures, about; monitors: attached at a time; lifetime_s: their mean; rate: captures a second."""

    rows: int
    monitors: int
    lifetime_s: float
    rate: float
    seed: int = 1

    @property
    def duration_ns(self) -> int:
        """Return how long the window lasts."""
        return int(self.rows / self.rate * SECOND)


@dataclass(frozen=True, slots=True)
class Truth:
    """What attribution must find: the sum over all lookups, and how many captures there are."""

    captures: int
    lookups: Sum
    attachments: int


@dataclass(slots=True)
class _Targets:
    """Attachments by number - 1: IDs uint8[A, 20], their first words uint64[A], begin and end int64[A] (0: never)."""

    ids: NDArray[np.uint8]
    word: NDArray[np.uint64]
    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]


def write(folder: Path, shape: Shape) -> Truth:
    """Write a sealed run of this shape into an empty folder and return its truth."""
    rng = np.random.default_rng(shape.seed)
    targets = _targets(shape, rng)
    manifest = Manifest(montra_version="bench", overlay="mainline", zone=ZONE, start_ns=START_NS)
    lookups, rows = Sum(), 0
    with RunWriter(folder, manifest, "", max_pending=MOST_PENDING) as writer:
        for number, one in enumerate(_attachments(targets), 1):
            writer.attachment(one)
            if number % 20_000 == 0:
                writer.drain()
        for captures, found in _slices(shape, targets, rng):
            writer.captures(captures)
            if writer.pending > MOST_PENDING // 8:  # a slice is far smaller than the rest, so nothing is dropped
                writer.drain()
            rows += len(captures)
            lookups = lookups + found
        writer.drain()
        stored = writer.seal(START_NS + shape.duration_ns, "done").captures
    if stored != rows:
        raise BenchError(f"{rows} captures were written and {stored} are in the store")
    return Truth(rows, lookups, len(targets.begin_ns))


def _targets(shape: Shape, rng: np.random.Generator) -> _Targets:
    """Draw attachments: each place in the zone is held by one after the other, for exponential times."""
    begins, ends = [], []
    begin = np.full(shape.monitors, START_NS - SECOND, np.int64)
    # The first holders are met in the middle of their time: for exponential times the rest is as long as the whole.
    while len(begin):
        end = begin + (rng.exponential(shape.lifetime_s, len(begin)) * SECOND).astype(np.int64) + SECOND
        begins.append(begin)
        ends.append(end)
        begin = end[end < START_NS + shape.duration_ns] + SECOND
    begin, end = np.concatenate(begins), np.concatenate(ends)
    ids = _keys(len(begin), rng)
    return _Targets(ids, first_word(ids), begin, end)


def _attachments(targets: _Targets) -> Iterator[Attachment]:
    last = targets.begin_ns.max() + 1
    times = zip(targets.begin_ns.tolist(), targets.end_ns.tolist(), strict=True)
    for row, (begin, end) in enumerate(times):
        target = targets.ids[row].tobytes()
        monitor = target[:-1] + bytes([target[-1] ^ 1])
        lost, reason = (end, "gone") if end <= last else (0, "")
        yield Attachment(row + 1, target, row, 1, monitor, row, 2, begin, begin, begin, (), lost, reason)


def _keys(count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return random IDs of the zone, uint8[count, 20]."""
    ids = np.frombuffer(rng.bytes(count * ID_BYTES), np.uint8).reshape(count, ID_BYTES).copy()
    ids[:, 0] = ids[:, 0] >> ZONE_BITS | ZONE_TOP << (8 - ZONE_BITS)
    return ids


def first_word(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes as numbers."""
    return np.ascontiguousarray(ids[:, :8]).view(">u8")[:, 0].astype(np.uint64)


def _slices(shape: Shape, targets: _Targets, rng: np.random.Generator) -> Iterator[tuple[Captures, Sum]]:
    """Yield captures in time order with the sum over the lookups that were drawn for them."""
    lookup_rate = shape.rate / COPIES
    turns = int(lookup_rate * TURN_S) + SLICE
    popular = _keys(50_000, rng)
    held = Captures.empty(ID_BYTES)
    total = max(1, int(shape.rows / COPIES))
    length = int(np.clip(lookup_rate * shape.lifetime_s * SLICE_LIFETIMES, LEAST_SLICE, SLICE))
    for first in range(0, total, length):
        count = min(length, total - first)
        begin = START_NS + ((first + np.sort(rng.random(count)) * count) / lookup_rate * SECOND).astype(np.int64)
        drawn, found = _lookups(begin, first, turns, targets, popular, rng)
        merged = Captures.concat([held, drawn], ID_BYTES)
        merged = merged.take(np.argsort(merged.time_ns, kind="stable"))
        # What the next slice's copies can precede is kept for it.
        final = int(np.searchsorted(merged.time_ns, begin[-1])) if first + count < total else len(merged)
        yield merged.between(0, final), found
        held = merged.between(final, len(merged))


def _lookups(
    begin: NDArray[np.int64],
    first: int,
    turns: int,
    targets: _Targets,
    popular: NDArray[np.uint8],
    rng: np.random.Generator,
) -> tuple[Captures, Sum]:
    """Return the copies of a slice of lookups in any order, and the sum over those lookups that have any."""
    count = len(begin)
    kind = np.full(count, Kind.LOOKUP, np.uint8)
    draw = rng.random(count)
    kind[draw < ANNOUNCES + NODE_LOOKUPS] = Kind.NODE_LOOKUP
    kind[draw < ANNOUNCES] = Kind.ANNOUNCE
    passer, slow = draw > 1 - PASSERS, (draw < 1 - PASSERS) & (draw > 1 - PASSERS - SLOW)
    # Squared, a few keys are asked for by many; every third key is asked for once.
    keys = np.where(
        (rng.random(count) < 0.67)[:, None], popular[(rng.random(count) ** 3 * 50_000).astype(int)], _keys(count, rng)
    )
    there = np.flatnonzero((targets.begin_ns <= begin[0]) & (targets.end_ns > begin[-1]))
    receivers = _receivers(first_word(keys), targets.word, there[np.argsort(targets.word[there])])
    got = rng.random(receivers.shape) >= LOST
    got[slow] = True  # a copy lost would be a gap of two steps, more than a span
    receivers[passer] = there[rng.integers(0, len(there), (int(passer.sum()), receivers.shape[1]))]
    got[passer, 2:] = False
    got[:, 0] |= ~got.any(axis=1)
    # The copies go out one after the other, the nearest last, about as an iterative lookup does.
    gaps = rng.exponential(0.4 * SECOND, receivers.shape).astype(np.int64)
    gaps[slow] = SLOW_STEP_NS
    times = begin[:, None] + gaps[:, ::-1].cumsum(axis=1)[:, ::-1]
    number = first + np.arange(count)
    turn = number % turns
    requester = _requesters(turn)
    row, column = np.nonzero(got)
    again = rng.random(len(row)) < REPEATED
    again &= ~slow[row]
    row, column = np.concatenate([row, row[again]]), np.concatenate([column, column[again]])
    time = times[row, column]
    time[len(time) - int(again.sum()) :] += SECOND
    source_ip = (0x10000000 + turn * 2654435761 % (1 << 31)).astype(np.uint32)
    source_port = (1024 + turn % 50_000).astype(np.uint16)
    version = np.where(turn % 5 == 0, 0, 0x4C540000 + turn % 97).astype(np.uint32)
    port = np.where(kind == Kind.ANNOUNCE, source_port, 0).astype(np.uint16)
    flags = (turn % 3 == 0).astype(np.uint16)
    captures = Captures(
        time,
        (receivers[row, column] + 1).astype(np.uint32),
        source_ip[row],
        source_port[row],
        take(requester, row),
        take(keys, row),
        kind[row],
        flags[row],
        version[row],
        port[row],
    )
    distance = np.where(got, targets.word[receivers] ^ first_word(keys)[:, None], np.iinfo(np.uint64).max)
    times = np.where(got, times, np.iinfo(np.int64).max)
    found = sum_of(
        times.min(axis=1),
        source_ip,
        source_port,
        kind,
        first_word(keys),
        receivers[np.arange(count), distance.argmin(axis=1)] + 1,
        np.bincount(row, minlength=count),
    )
    return captures, found


def _receivers(keys: NDArray[np.uint64], words: NDArray[np.uint64], there: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the FAN nearest to each key of twice as many neighbours in order, nearest first; `there` by word."""
    table = words[there]
    fan = min(FAN, len(there))
    width = min(2 * FAN, len(there))
    start = np.clip(np.searchsorted(table, keys) - width // 2, 0, len(there) - width)
    near = start[:, None] + np.arange(width)
    # Packed with its column, so that one plain sort gives the order; 60 bits tell random IDs apart.
    distance = (table[near] ^ keys[:, None]) & ~np.uint64(15) | np.arange(width, dtype=np.uint64)
    distance.sort(axis=1)
    column = (distance[:, :fan] & np.uint64(15)).astype(np.intp)
    return there[np.take_along_axis(near, column, axis=1)]


def _requesters(turn: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return one fixed ID for each requester, spread over the keyspace, uint8[n, 20]."""
    words = turn.astype(np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15) + np.arange(1, 4, dtype=np.uint64)
    words ^= words >> np.uint64(31)
    words *= np.uint64(0xBF58476D1CE4E5B9)
    return np.ascontiguousarray(words.view(np.uint8)[:, :ID_BYTES])
