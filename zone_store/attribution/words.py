"""Comparisons of IDs and distances held as words (`keyspace.ids.words`): uint64[W, n], most significant first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


def same(words: Words, left: NDArray[np.intp], right: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return where ID left[i] equals ID right[i] in all of its words."""
    equal = np.ones(len(left), np.bool_)
    for word in words:
        equal &= word[left] == word[right]
    return equal


def less(a: Words, b: Words) -> NDArray[np.bool_]:
    """Return where a < b as one big number; after the axis of words the shapes broadcast against each other."""
    result = a[-1] < b[-1]
    for x, y in zip(a[-2::-1], b[-2::-1], strict=True):
        result = (x < y) | ((x == y) & result)
    return np.asarray(result, np.bool_)


def fraction(rows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return each row of uint8[n, L] as a fraction in [0, 1): all ones is just below 1.

    A double keeps 53 significant bits wherever the first one bit lies (L <= 128), which a margin in log2 needs; summed
    in a fixed order, so that every machine gets the same bits.
    """
    total = np.zeros(len(rows))
    for column in reversed(range(rows.shape[1])):
        total = (total + rows[:, column]) / 256.0
    return total
