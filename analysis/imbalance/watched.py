"""The nodes of a zone whose load was watched, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.load import NANOS, Run
from zone_store.keyspace import ids as keyspace

LEAST_WATCHED_SHARE = 0.1
"""A node watched for less of the running time than this is left out: its rate would say little."""

_MICRO = 1000


@dataclass(frozen=True, slots=True)
class Watched:
    """All distinct nodes of a run, in order of their IDs, n of them, and when they were watched.

    name uint32[n]: number of a node's first attachment, its name outside the store; ids uint8[n, L], rising; seconds
    float64[n]: running time in which it was watched: its monitor was accepted, or, of a thin fleet, it was known; kept
    bool[n]: watched for a tenth of the running time at least; node int64[i], begin_ns, end_ns int64[i]: the intervals.
    number uint32[a], node_of int64[a]: attachment numbers, rising, and their nodes. blind: share of the time that nodes
    were known, summed over them, in which they were not watched.
    """

    name: NDArray[np.uint32]
    ids: NDArray[np.uint8]
    seconds: NDArray[np.float64]
    kept: NDArray[np.bool_]
    node: NDArray[np.int64]
    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    number: NDArray[np.uint32]
    node_of: NDArray[np.int64]
    blind: float

    def __len__(self) -> int:
        return len(self.name)

    @property
    def left_out(self) -> int:
        """Nodes that were watched, but too briefly."""
        return int(np.count_nonzero((self.seconds > 0) & ~self.kept))

    def nodes_of(self, numbers: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the nodes of attachment numbers, -1 for one that the run does not list."""
        if not len(self.number):
            return np.full(len(numbers), -1, np.int64)
        at = np.minimum(np.searchsorted(self.number, numbers), len(self.number) - 1)
        return np.where(self.number[at] == numbers, self.node_of[at], -1)

    def summed(self, numbers: NDArray[np.uint32], values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return values by attachment number as sums by node, int64[n]; what is of no node is left out."""
        node = self.nodes_of(numbers)
        sums = np.zeros(len(self), np.int64)
        np.add.at(sums, node[node >= 0], values[node >= 0])
        return sums


def watched(run: Run) -> Watched:
    """Return the nodes of a run. A node attached twice at a time is watched once; gaps of the run are left out."""
    attachments = run.attachments
    count = attachments.nodes
    name = np.full(count, np.iinfo(np.uint32).max, np.uint32)
    np.minimum.at(name, attachments.node, attachments.number)
    first = np.empty(count, np.intp)
    first[attachments.node[::-1]] = np.arange(len(attachments))[::-1]
    began = attachments.began_ns
    there = np.flatnonzero((began > 0) & (began < attachments.until_ns))
    node, begin_ns, end_ns = _apart(attachments.node[there], began[there], attachments.until_ns[there], run.start_ns)
    lasted = end_ns - begin_ns
    # A monitor that moved keeps the time at which its node was found, which is not to count twice.
    known_ns = float((attachments.until_ns - attachments.known_ns).clip(0).sum(dtype=np.float64))
    seen_ns = float(lasted.sum(dtype=np.float64))
    for gap_begin, gap_end in run.gaps:
        lasted = lasted - np.clip(np.minimum(end_ns, gap_end) - np.maximum(begin_ns, gap_begin), 0, None)
    seconds = np.zeros(count)
    np.add.at(seconds, node, lasted / NANOS)
    return Watched(
        name=name,
        ids=keyspace.take(attachments.target_id, first),
        seconds=seconds,
        kept=(seconds > 0) & (seconds >= LEAST_WATCHED_SHARE * run.running_seconds),
        node=node,
        begin_ns=begin_ns,
        end_ns=end_ns,
        number=attachments.number,
        node_of=attachments.node,
        blind=min(1.0, max(0.0, 1 - seen_ns / known_ns)) if known_ns > 0 else 0.0,
    )


def _apart(
    node: NDArray[np.int64], begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64], origin_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return intervals by node and begin, cut so that those of a node do not overlap; empty ones are left out."""
    order = np.lexsort((begin_ns, node))
    node, begin, end = node[order], begin_ns[order].copy(), end_ns[order]
    if len(node):
        # The latest end so far of the same node, by one running maximum over all: each node has a range of its own.
        # In microseconds, since nanoseconds of many nodes would not fit.
        span = (int(end.max()) - origin_ns) // _MICRO + 2
        latest = np.maximum.accumulate((end - origin_ns) // _MICRO + 1 + node * span) - node * span
        same = np.append(False, node[1:] == node[:-1])
        before_ns = np.append(0, latest[:-1]) * _MICRO + origin_ns
        begin = np.where(same, np.maximum(begin, np.minimum(before_ns, end)), begin)
    some = end > begin
    return node[some], begin[some], end[some]
