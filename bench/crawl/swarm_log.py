"""What the swarm saw: how often each node, and each /24, was asked, against the limits."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.crawl.network import SUBNETS
from montra.endpoint.limits import Rate

_ENTRY = np.dtype([("time", "<u8"), ("node", "<u4")])
_NOBODY = 0xFFFFFFFF
_SECOND = 1_000_000_000
#: Room for one group of arrivals: longer than any crawl that is measured.
_SPAN = 1000 * _SECOND


class Asked(NamedTuple):
    """Of all nodes, or /24s, the most queries: in any second, in any ten, and as a burst above the long-run rate."""

    most_1s: int
    most_10s: int
    burst: float


def read(path: Path) -> NDArray[np.void]:
    """Read the swarm's log: time (uint64, ns) and node (uint32) of each query to a node."""
    entries = np.fromfile(path, _ENTRY)
    return entries[entries["node"] != _NOBODY]


def asked(entries: NDArray[np.void], rate: Rate, *, subnets: bool = False) -> Asked:
    """Return how often the one that was asked most often was asked.

    burst: of the token bucket that would just have let this through at `rate.per_s`; within the limit if it is not
    above `rate.burst`, but for the jitter of arrival.
    """
    if not len(entries):
        return Asked(0, 0, 0.0)
    group = entries["node"].astype(np.int64)
    group = group % SUBNETS if subnets else group
    time = (entries["time"] - entries["time"].min()).astype(np.int64)
    order = np.lexsort((time, group))
    group, time = group[order], time[order]
    line = group * _SPAN + time
    most = [
        int((np.arange(len(line)) - np.searchsorted(line, line - window, side="right")).max()) + 1
        for window in (_SECOND, 10 * _SECOND)
    ]
    first = np.searchsorted(group, group)  # where each one's queries begin
    level = np.arange(len(line)) - first - time / _SECOND * rate.per_s
    # the lowest level so far of the same group: groups are shifted apart, each below those before it
    shift = np.abs(level).max() * 2 + 1
    rank = np.cumsum(np.diff(group, prepend=group[0]) != 0)
    lowest = np.minimum.accumulate(level - rank * shift) + rank * shift
    return Asked(most[0], most[1], float((level - lowest).max()) + 1)
