"""Counts of keys in two windows, drawn by known rates."""

from __future__ import annotations

import numpy as np

from analysis.popularity.pairs import LEAST_TOTAL, Pair, paired


def clumped(expected: np.ndarray, clump: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return lookups and requesters of keys with so many lookups expected; a requester makes `clump` on average."""
    requesters = rng.poisson(expected / clump)
    if clump == 1:
        return requesters, requesters
    lookups = [int(rng.geometric(1 / clump, n).sum()) for n in requesters.tolist()]
    return np.array(lookups), requesters


def pair_of_counts(
    first: np.ndarray, first_people: np.ndarray, second: np.ndarray, second_people: np.ndarray, clump: float
) -> Pair:
    """Return the pair that `pair_of` would make of them; clump: mean of a geometric number of lookups."""
    total = first + second
    kept = np.flatnonzero(total >= LEAST_TOTAL)
    order = kept[np.argsort(-total[kept], kind="stable")]
    counts = {
        "first": first[order],
        "second": second[order],
        "first_people": first_people[order],
        "second_people": second_people[order],
    }
    # of a lookup taken at random, its requester's lookups: 2 mean - 1 for a geometric number
    return paired(order.astype(object), counts, (int(first.sum()), int(second.sum())), 2 * clump - 1)
