"""How evenly users' lookups fall on keys."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy

from analysis.engine.database import Database
from analysis.imbalance.asked import ONCE, Asked
from analysis.imbalance.estimates import (
    LEAST_NODES,
    UNKNOWN,
    UNLIKE,
    WIDE,
    Estimate,
    Uneven,
    captured,
    drawn_estimate,
    drawn_places,
    exactly,
    measured,
)
from analysis.imbalance.measures import curve
from analysis.imbalance.mixture import Cells, spread
from analysis.imbalance.nodes import Curve
from analysis.trust.capture import CaptureRate

LEAST_PAIRS = 20
"""Of fewer pairs of lookups of different requesters that met at a key the effective number of keys is not told."""

_SEED = 0
_DRAWS = 100
_ONE_BY_ONE = 64
"""Counts above this are few enough to draw for each key by itself; those below are drawn by the cell."""
_MOST_MISSED = 4096
_TOGETHER = 1.3
"""How much more the number of keys never captured varies than if each were missed by itself: keys that end at one node
are missed together. By trials."""


@dataclass(frozen=True, slots=True)
class KeyLoad:
    """Users' lookups of the keys that were looked up.

    lookups, keys int64[h]: so many keys were looked up so often, as captured, rising; realised: of the lookups made in
    the window, among keys looked up at least once in it; looked_up: how many keys those are, captured or not; chance:
    if all these keys were asked for alike often, chance alone; effective: so many keys, all asked for alike often,
    would give two requesters the same chance to ask for one key (inverse of Simpson's index; Hill number of order 2).
    """

    lookups: NDArray[np.int64]
    keys: NDArray[np.int64]
    realised: Uneven
    looked_up: Estimate
    chance: Uneven
    effective: Estimate
    curve: Curve


def key_load(db: Database, capture: CaptureRate | None, asked: Asked) -> KeyLoad:
    """Return the load of the keys of a run."""
    found = db.arrays("SELECT lookups, count(*) AS n FROM keys WHERE lookups > 0 GROUP BY lookups ORDER BY lookups")
    return key_load_of(found["lookups"].astype(np.int64), found["n"].astype(np.int64), capture, asked)


def key_load_of(
    lookups: NDArray[np.int64], keys: NDArray[np.int64], capture: CaptureRate | None, asked: Asked = ONCE
) -> KeyLoad:
    """Return the load of keys int64[h] that were looked up so often, int64[h] rising, each above 0."""
    many, counts = keys.astype(np.float64), lookups.astype(np.float64)
    looked_up, load = _realised(lookups, keys, capture, asked.repeats)
    chance = _by_chance(lookups, keys)
    return KeyLoad(lookups, keys, load, looked_up, chance, effective(counts, many, asked), curve(counts, many))


def _realised(
    lookups: NDArray[np.int64], keys: NDArray[np.int64], capture: CaptureRate | None, repeats: float
) -> tuple[Estimate, Uneven]:
    """Return how many keys were looked up, and how unevenly: missed lookups drawn, as those of keys never captured.

    How many were never captured varies more where requesters ask again: their lookups come and are missed in clumps.
    """
    total = int(keys.sum())
    if not total:
        return Estimate(0.0), UNKNOWN
    if capture is None or total < LEAST_NODES:
        return Estimate(float(total)), exactly(lookups.astype(np.float64), keys.astype(np.float64))
    rng = np.random.default_rng(_SEED)
    cell = np.where(lookups <= _ONE_BY_ONE, lookups, np.round(8 * np.sqrt(lookups)).astype(np.int64) + _ONE_BY_ONE)
    _, cell = np.unique(cell, return_inverse=True)
    number = np.bincount(cell, keys).astype(np.float64)
    cells = Cells(np.bincount(cell, lookups * keys) / number, np.ones(len(number)), number, seen_only=True)
    fitted = spread(cells, _DRAWS, rng)
    rows, numbers = np.empty((_DRAWS, 4)), np.empty(_DRAWS)
    for draw, share in enumerate(captured(capture, _DRAWS, rng).tolist()):
        posterior, missed = fitted.posterior(draw), fitted.rates * (1 - share) / share
        made = [
            _made_of_many(lookups, keys, posterior, missed, rng),
            _made_of_few(lookups, keys, cell, posterior, missed, rng),
            _never_captured(number, posterior, fitted.rates, missed, rng),
        ]
        values, weights = (np.concatenate(part) for part in zip(*made, strict=True))
        rows[draw], numbers[draw] = measured(values, weights), weights.sum()
    return drawn_estimate(numbers, _TOGETHER * math.sqrt(repeats)), Uneven.of(rows)


Made = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lookups made of keys, and how many keys had so many."""


def _made_of_many(
    lookups: NDArray[np.int64],
    keys: NDArray[np.int64],
    posterior: NDArray[np.float64],
    missed: NDArray[np.float64],
    rng: np.random.Generator,
) -> Made:
    """Draw for all keys of one small count at once: so many of them missed none, one, two... Their cells come first."""
    few = int(np.searchsorted(lookups, _ONE_BY_ONE, "right"))
    if not few:
        return np.empty(0), np.empty(0)
    likely = posterior[:few].max(axis=0) > 1e-9
    chances = posterior[:few, likely] @ _chances(missed[likely])
    drawn = rng.multinomial(keys[:few], chances / chances.sum(axis=1, keepdims=True))
    made = lookups[:few, None] + np.arange(drawn.shape[1])
    number = np.bincount(made.ravel(), drawn.ravel()).astype(np.float64)
    return np.arange(len(number), dtype=np.float64), number


def _made_of_few(
    lookups: NDArray[np.int64],
    keys: NDArray[np.int64],
    cell: NDArray[np.int64],
    posterior: NDArray[np.float64],
    missed: NDArray[np.float64],
    rng: np.random.Generator,
) -> Made:
    """Draw for each key of a large count by itself."""
    many = lookups > _ONE_BY_ONE
    each, of = np.repeat(lookups[many], keys[many]), np.repeat(cell[many], keys[many])
    unlike = rng.gamma(UNLIKE, 1 / UNLIKE, len(each))
    made = each + rng.poisson(missed[drawn_places(posterior, of, rng)] * unlike)
    return made.astype(np.float64), np.ones(len(made))


def _never_captured(
    number: NDArray[np.float64],
    posterior: NDArray[np.float64],
    rates: NDArray[np.float64],
    missed: NDArray[np.float64],
    rng: np.random.Generator,
) -> Made:
    """Draw the keys that were looked up and not captured once.

    For each captured key of a rate there are so many never captured that were looked up as the chances of the two say.
    """
    looked_up = 1 - (UNLIKE / (UNLIKE + missed)) ** UNLIKE
    never = rng.poisson((number @ posterior) * np.exp(-rates) * looked_up / -np.expm1(-rates))
    some = never > 0
    if not some.any():
        return np.empty(0), np.empty(0)
    chances = _chances(missed[some])[:, 1:]
    drawn = rng.multinomial(never[some], chances / chances.sum(axis=1, keepdims=True)).sum(axis=0)
    return np.arange(1.0, len(drawn) + 1), drawn.astype(np.float64)


def _chances(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chances of 0, 1, 2... lookups missed, float64[n, most], where so many are in the mean.

    Negative binomial: Poisson, but lookups for a key end at the same few nodes, which are missed unlike often.
    """
    top = float(means.max(initial=0.0))
    deviation = math.sqrt(top + top * top / UNLIKE)
    d = np.arange(min(_MOST_MISSED, int(top + 8 * deviation + 8)) + 1)
    mean = means[:, None]
    logs = gammaln(d + UNLIKE) - gammaln(UNLIKE) - gammaln(d + 1)
    logs = logs + UNLIKE * np.log(UNLIKE / (UNLIKE + mean)) + xlogy(d, mean / (UNLIKE + mean))
    chances: NDArray[np.float64] = np.exp(logs)
    return chances


def _by_chance(lookups: NDArray[np.int64], keys: NDArray[np.int64]) -> Uneven:
    """Return the measures of Poisson counts above 0 that have the mean of these, for so many keys."""
    total, mean = int(keys.sum()), float((lookups * keys).sum()) / max(1, int(keys.sum()))
    if not total:
        return UNKNOWN
    if mean <= 1 + 1e-9:
        return exactly(np.ones(1), np.array([float(total)]))
    rate = float(brentq(lambda x: x / -math.expm1(-x) - mean, 1e-9, mean))
    counts = np.arange(1.0, int(rate + 12 * math.sqrt(rate) + 12))
    chances = np.exp(xlogy(counts, rate) - rate - gammaln(counts + 1))
    return exactly(counts, chances / chances.sum() * total)


def effective(n: NDArray[np.float64], keys: NDArray[np.float64], asked: Asked = ONCE) -> Estimate:
    """Return the effective number of keys; n float64[h]: lookups of a key, keys float64[h]: of so many keys.

    Two of the captured lookups are for one key with the chance that any two are (Simpson 1949), so neither what was
    missed nor chance biases it. Pairs of lookups of one requester are left out, since who asks again is not another;
    repeats make the variance so much larger. The interval is by the delta method on the logarithm, with the variance of
    a U-statistic of two, which is estimated too. Assumed: requesters are independent.
    """
    total = float((n * keys).sum())
    same = float((n * (n - 1) * keys).sum()) - total * (asked.repeats - 1)
    if same < 2 * LEAST_PAIRS or total <= asked.active:
        return Estimate(math.nan)
    index = same / (total * (total - asked.active))
    third = float((n * (n - 1) * (n - 2) * keys).sum()) / max(1.0, total * (total - 1) * (total - 2))
    variance = (4 * max(0.0, third - index**2) * (total - 2) + 2 * index * (1 - index)) / (total * (total - 1))
    variance *= asked.repeats
    spread_of = math.exp(WIDE * math.sqrt(variance) / index)
    return Estimate(1 / index, 1 / index / spread_of, 1 / index * spread_of)
