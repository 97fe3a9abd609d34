"""When each target was seen handing its monitor out, asked for many targets and times at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GRAIN = 20
"""Beginnings are told apart to 2^20 ns, a millisecond."""

_TIMES = np.int64((1 << 32) - 1)


class Visible:
    """Intervals [begin_ns, end_ns) int64[i] of rows intp[i] of a table; begun within 52 days of the first."""

    def __init__(self, row: NDArray[np.intp], begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> None:
        self._first_ns = np.int64(begin_ns.min(initial=np.iinfo(np.int64).max))
        # One word of row and beginning, so that a search finds the last interval that has begun.
        words = self._words(row, begin_ns)
        order = np.argsort(words, kind="stable")
        self._word, self._end_ns = words[order], end_ns[order]

    def at(self, rows: NDArray[np.intp], times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell for each row of the attachments whether one of its intervals holds the time, bool of the same shape."""
        if not len(self._word):
            return np.zeros(rows.shape, np.bool_)
        words = self._words(rows, times)
        last = np.searchsorted(self._word, words, "right") - 1
        own = self._word[last] >> np.uint64(32) == words >> np.uint64(32)
        held: NDArray[np.bool_] = (last >= 0) & own & (self._end_ns[last] > times) & (times >= self._first_ns)
        return held

    def _words(self, rows: NDArray[np.intp], times: NDArray[np.int64]) -> NDArray[np.uint64]:
        since = np.clip(times - self._first_ns >> _GRAIN, 0, _TIMES)
        words: NDArray[np.uint64] = rows.astype(np.uint64) << np.uint64(32) | since.astype(np.uint64)
        return words
