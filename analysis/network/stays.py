"""Stays of nodes in the zone, put together from the attachments of their monitors.

A stay is the time in which one node is there under IDs of the zone. Attachments end for reasons of their own, so they
are joined: a monitor that moved to another address of ours, a bare target that got a monitor, a node that fell silent
to its monitor but was found again at once, and a node that took another ID within the zone, at the same address and in
the same moment. Absences that crawls do not notice are none. A node that was given up and comes back begins another
stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from analysis.attachments import Attachments, reached
from analysis.load import NANOS, Run
from analysis.network.rhythm import SHORTEST_STEPS, Rhythm, rhythm_of


class End(IntEnum):
    """How a stay ended, as far as the run tells."""

    STILL = 0  # it did not, as long as anybody looked
    GONE = 1  # crawls missed the node
    SILENT = 2  # its monitor noticed before the crawls did, and nobody found it again
    LEFT = 3  # the node took an ID outside the zone: it left the zone, but is still up
    UNCLEAR = 4  # silent to several monitors in turn: one that crawls still see is left alone for an hour then


ENDED = (End.GONE, End.SILENT)
"""Ends of which the time is known, to within a few crawls."""

_MONITORS_TRIED = 3


@dataclass(frozen=True, slots=True)
class Stays:
    """n stays. begin_ns: found; end_ns: left (the best guess), or last known to be there; how uint8[n]: `End`.

    again bool[n]: found again after it had fallen silent to its monitor: when it came back is not known.
    """

    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    how: NDArray[np.uint8]
    again: NDArray[np.bool_]


def stays_of(run: Run) -> tuple[Stays, Rhythm]:
    """Return the stays, with the time of leaving put back by the crawls' lag, and the rhythm of the crawls."""
    step_s = _step_s(run)
    raw = _cut(_joined(run.attachments, SHORTEST_STEPS * step_s if step_s == step_s else 0.0), run)
    rhythm = rhythm_of(run, raw.begin_ns, raw.end_ns, raw.how == End.GONE)
    end_ns = raw.end_ns.copy()
    gone, silent = raw.how == End.GONE, raw.how == End.SILENT
    end_ns[gone] = rhythm.left_ns(raw.end_ns[gone])
    end_ns[silent] -= _unnoticed_ns(rhythm)
    end_ns = np.maximum(end_ns, raw.begin_ns)
    return Stays(raw.begin_ns, end_ns, raw.how, raw.again), rhythm


def left_of(run: Run) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the attachments of which the node was gone before they ended: number uint32[n], left_ns int64[n].

    The time of leaving is the best guess, as in `stays_of`.
    """
    held, (_, rhythm) = run.attachments, stays_of(run)
    gone, silent = held.named("gone") & held.lost, held.named("silent") & held.lost
    left_ns = np.where(gone, rhythm.left_ns(held.until_ns), held.until_ns - _unnoticed_ns(rhythm))
    which = (gone | silent) & (left_ns < held.until_ns)
    return held.number[which], left_ns[which]


def _unnoticed_ns(rhythm: Rhythm) -> int:
    """Return for how long a node is gone that its monitor noticed first: half of the time that crawls take."""
    return round(float(np.nan_to_num(rhythm.step_s)) * rhythm.lag / 2 * NANOS)


def _step_s(run: Run) -> float:
    middles = np.array([(crawl.begin_ns + crawl.end_ns) // 2 for crawl in run.crawls if crawl.answered > 0], np.int64)
    return float(np.median(np.diff(middles))) / NANOS if len(middles) > 1 else float("nan")


def _joined(held: Attachments, patience_s: float) -> Stays:
    """Return the stays as attachments tell them; patience_s: within it a silent node that is found again never left."""
    n = len(held)
    order = np.lexsort((held.until_ns, held.found_ns, held.node))
    node, begin, end = held.node[order], held.found_ns[order], held.until_ns[order]
    silent = held.named("silent")[order]
    same = np.append(False, node[1:] == node[:-1])[:n]
    before = np.append(0, reached(node, end))[:n]
    was_silent = np.append(False, silent[:-1])[:n]
    wait = np.where(was_silent, round(patience_s * NANOS), 0)
    joins = same & (begin <= before + wait)
    again = same & ~joins & was_silent
    part = np.cumsum(~joins) - 1
    heads = np.flatnonzero(~joins)
    tails = np.append(heads[1:], n)[: len(heads)] - 1
    # The row that lasted longest tells how the part ended.
    last = np.lexsort((np.arange(n), end, part))[tails] if n else tails
    rows, first = order[last], order[heads]
    reason = _ends(held)[rows]
    reason[(reason == End.SILENT) & (tails - heads + 1 >= _MONITORS_TRIED)] = End.UNCLEAR
    before_it = _same_node_before(held, rows, first)
    return _chained(held.found_ns[first], held.until_ns[rows], reason, again[heads], before_it)


def _ends(held: Attachments) -> NDArray[np.uint8]:
    """Return how each attachment ended."""
    how = np.full(len(held), End.STILL, np.uint8)
    for reason, end in (("gone", End.GONE), ("changed_id", End.LEFT), ("silent", End.SILENT)):
        how[held.named(reason) & held.lost] = end
    return how


def _same_node_before(held: Attachments, rows: NDArray[np.int64], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each part the part that went over into it by a change of ID, -1 for none."""
    times, at = np.unique(np.concatenate([held.until_ns[rows], held.found_ns[first]]), return_inverse=True)
    ended = held.address[rows] * len(times) + at[: len(rows)]
    begun = held.address[first] * len(times) + at[len(rows) :]
    ended = np.where(held.named("changed_id")[rows], ended, -1 - np.arange(len(rows)))
    order = np.argsort(ended)
    place = np.minimum(np.searchsorted(ended[order], begun), max(0, len(rows) - 1))
    found = order[place] if len(rows) else place
    earlier = held.found_ns[first[found]] < held.found_ns[first] if len(rows) else place > 0
    return np.where((ended[found] == begun) & earlier, found, -1) if len(rows) else place


def _chained(
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    how: NDArray[np.uint8],
    again: NDArray[np.bool_],
    before: NDArray[np.int64],
) -> Stays:
    """Join the parts of nodes that changed their ID: the stay begins with the first and ends with the last of them."""
    root = np.where(before >= 0, before, np.arange(len(begin)))
    while not np.array_equal(further := root[root], root):
        root = further
    last = np.lexsort((end, root))
    last = last[np.append(root[last][1:] != root[last][:-1], True)] if len(last) else last
    first = root[last]
    return Stays(begin[first], end[last], how[last], again[first])


def _cut(stays: Stays, run: Run) -> Stays:
    """End stays where the run stopped: at its gaps, and with it."""
    end, how = np.minimum(stays.end_ns, run.end_ns), stays.how.copy()
    how[stays.end_ns >= run.end_ns] = End.STILL
    for gap, _ in run.gaps:
        within = (stays.begin_ns < gap) & (end > gap)
        end[within], how[within] = gap, End.STILL
    return Stays(stays.begin_ns, end, how, stays.again)
