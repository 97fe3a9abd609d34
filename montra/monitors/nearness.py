"""How many targets are nearer to a key than a monitor is: some clients treat the few nearest nodes apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: The sorted targets are made anew when they are so old, and older with many, so that it takes a hundredth of the time.
_AGE_NS = 1_000_000_000
_AGE_OF_EACH_NS = 20_000
_BYTES = 8
_ONE = np.uint64(1)


class Nearness:
    """Counts targets by the first eight bytes of their IDs, in which two of a network hardly ever agree.

    known: returns the IDs of all targets known now, uint8[n, L]; asked only when somebody wants to know.
    """

    def __init__(self, known: Callable[[], NDArray[np.uint8]]) -> None:
        self._known = known
        self._targets = np.zeros(0, np.uint64)
        self._until_ns = 0

    def count(self, now_ns: int, keys: NDArray[np.uint8], monitor_ids: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return how many targets are nearer to each key than the monitor of that row, intp[n]; both uint8[n, L].

        A monitor's own target, which differs from it in the last bit, counts as any other. What came or went in the
        last seconds may be missing.

        In the tree of IDs the nearer ones are the branches that leave the monitor's path on the key's side: one for
        each bit in which monitor and key differ, and each a range of the sorted targets.
        """
        if now_ns >= self._until_ns:
            self._targets = np.sort(_beginnings(self._known()))
            self._until_ns = now_ns + _AGE_NS + len(self._targets) * _AGE_OF_EACH_NS
        row, bit = np.nonzero(np.unpackbits((keys ^ monitor_ids)[:, :_BYTES], axis=1))
        branch = _ONE << (8 * _BYTES - 1 - bit).astype(np.uint64)
        first = (_beginnings(monitor_ids)[row] ^ branch) & ~(branch - _ONE)
        last = first | (branch - _ONE)
        found = np.searchsorted(self._targets, last, "right") - np.searchsorted(self._targets, first, "left")
        own = (keys[:, -1] ^ monitor_ids[:, -1]) & 1
        return np.bincount(row, found, len(keys)).astype(np.intp) + own


def _beginnings(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(ids[:, :_BYTES]).view(">u8")[:, 0].astype(np.uint64)
