"""Comparing and ordering IDs and distances held as words of eight bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SEVERAL_PASSES = 1 << 12
"""Rows from which on sorting by digits is faster than by comparison."""


def packed_words(ids: NDArray[np.uint8]) -> list[NDArray[np.uint64]]:
    """Return IDs uint8[n, L] as ceil(L/8) columns uint64[n], equal where the IDs are; their order means nothing.

    `keyspace.ids.words` gives numbers in order, and takes three times as long.
    """
    count, width = ids.shape
    padded = np.zeros((count, -(-width // 8) * 8), np.uint8)
    padded[:, :width] = ids
    table = padded.view(np.uint64)
    return [np.ascontiguousarray(table[:, i]) for i in range(table.shape[1])]


def same_as_before(columns: Sequence[NDArray[np.uint64]], order: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return where in an order of the rows a row equals the one before it in all columns uint64[n], bool[n - 1]."""
    equal = np.ones(max(0, len(order) - 1), np.bool_)
    for column in columns:
        ordered = column[order]
        equal &= ordered[1:] == ordered[:-1]
    return equal


def stable_order(word: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return the stable order of words below 2^48."""
    if len(word) < _SEVERAL_PASSES:
        return np.argsort(word, kind="stable")
    # By digits of 16 bits, which numpy counts instead of comparing: half the time of one stable sort of whole words.
    digits = [(word >> np.uint64(shift)).astype(np.uint16) for shift in (0, 16, 32)]
    order = np.argsort(digits[0], kind="stable")
    for digit in digits[1:]:
        order = order[np.argsort(digit[order], kind="stable")]
    return order


def settle_ties(
    order: NDArray[np.intp],
    together: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    columns: Sequence[NDArray[Any]],
) -> NDArray[np.intp]:
    """Return `order` with those runs of ties sorted by `columns`, the first one first, that hold something wrong.

    together bool[n-1]: whether order[i] and order[i + 1] are tied; wrong bool[n-1]: a pair that must not stay as it is,
    tied, too. Rows equal in all columns keep their order.
    """
    run = np.append(0, np.cumsum(~together))
    bad = np.zeros(run[-1] + 1, np.bool_)
    bad[run[1:][wrong]] = True
    at = np.flatnonzero(bad[run])
    rows = order[at]
    settled = order.copy()
    settled[at] = rows[np.lexsort([*(column[rows] for column in columns[::-1]), run[at]])]
    return settled


def fraction(rows: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return each row of uint8[n, L] as a fraction in [0, 1): all ones is just below 1.

    A double keeps 53 significant bits wherever the first one bit lies (L <= 128), which a margin in log2 needs; summed
    in a fixed order, so that every machine gets the same bits.
    """
    total = np.zeros(len(rows))
    for column in reversed(range(rows.shape[1])):
        total = (total + rows[:, column]) / 256.0
    return total
