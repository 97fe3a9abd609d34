"""What is true of a world's load: where lookups ended, and where they would by hashing alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.hearing import reach
from montra.validation.estimators.known import Known
from montra.validation.estimators.known_traffic import rate_of_keys, running_minutes, while_running
from montra.validation.estimators.laws import Floats
from montra.validation.estimators.made import Made
from montra.validation.estimators.population import Population, random_ids
from montra.validation.estimators.world import HOUR_S, World

LEAST_WATCHED = 0.1
_MOMENTS = 60
_MEASURES = ("gini", "top_1_percent", "top_10_percent", "variation")


def gini(values: Floats) -> float:
    """Return the mean absolute difference of all pairs over twice the mean."""
    ordered = np.sort(values)
    n = len(ordered)
    below = np.concatenate([[0.0], np.cumsum(ordered)[:-1]])
    return float(2 * (ordered * np.arange(n) - below).sum() / (n * n) / (2 * ordered.mean()))


def measure(values: Floats, name: str) -> float:
    """Return how uneven values are by one measure; NaN where all are 0."""
    if not values.sum():
        return float("nan")
    if name == "gini":
        return gini(values)
    if name == "variation":
        return float(values.std() / values.mean())
    most = max(1, round((0.01 if name == "top_1_percent" else 0.1) * len(values)))
    return float(np.sort(values)[-most:].sum() / values.sum())


class _Watch:
    """When each node of the population had a monitor: watched_s float64[n], kept bool[n] (long enough to be told)."""

    def __init__(self, made: Made) -> None:
        crawled = made.crawled
        begin, end = crawled.from_s, crawled.to_s
        lasted = np.maximum(0.0, end - np.minimum(begin, end))
        for gap_begin, gap_end in made.world.gaps:
            low, high = gap_begin * HOUR_S, gap_end * HOUR_S
            lasted -= np.maximum(0.0, np.minimum(end, high) - np.maximum(np.minimum(begin, end), low))
        self._of, self._begin, self._end = crawled.of, begin, end
        self.watched_s = np.bincount(crawled.of, lasted, minlength=len(made.people.ids))
        running_s = 60 * running_minutes(made.world.hours, made.world.gaps)
        self.kept = (self.watched_s > 0) & (self.watched_s >= LEAST_WATCHED * running_s)

    def load(self, node: NDArray[np.int64], times_s: Floats, weight: Floats | None = None) -> Floats:
        """Return lookups that ended at each kept node while it was watched, a second of that."""
        order = np.lexsort((self._begin, self._of))
        span = 1e7
        begins = self._of[order] * span + np.minimum(self._begin[order], span / 2)
        at = np.searchsorted(begins, node * span + times_s, side="right") - 1
        row = order[np.maximum(at, 0)]
        inside = (at >= 0) & (self._of[row] == node) & (self._begin[row] <= times_s) & (times_s < self._end[row])
        chosen = None if weight is None else weight[inside]
        counts = np.bincount(node[inside], chosen, minlength=len(self.kept))
        return np.asarray(counts[self.kept] / self.watched_s[self.kept], np.float64)


def _ended(made: Made) -> NDArray[np.int64]:
    """Return the node at which each lookup ended, -1 for none."""
    session = made.reached.session[:, 0]
    return np.where(session >= 0, made.people.node[session], -1)


def _realised(name: str, made: Sequence[Made]) -> float:
    one, node = made[0], _ended(made[0])
    there = (node >= 0) & while_running(one)
    return measure(_Watch(one).load(node[there], one.asked.time_s[there]), name)


def _rates(name: str, made: Sequence[Made]) -> float:
    """Measure the rates of nodes: of each key, at some moments, to the node that is nearest then."""
    one = made[0]
    world, keys = one.world, one.keys
    per_key = rate_of_keys(one)
    asked = np.flatnonzero(per_key > 0)
    times = (np.arange(_MOMENTS) + 0.5) / _MOMENTS * world.seconds
    times = times[[world.running(time) for time in times.tolist()]]
    rng = np.random.default_rng(0)
    at = np.repeat(times, len(asked))
    ids = np.tile(keys.ids[asked], (len(times), 1))
    session = reach(_narrow(one), one.people, ids, at, rng).session[:, 0]
    there = session >= 0
    weight = np.tile(per_key[asked], len(times))[there]
    return measure(_Watch(one).load(one.people.node[session[there]], at[there], weight), name)


def _hashed(name: str, made: Sequence[Made]) -> float:
    """Measure a draw of our own: each captured lookup for a random key, at the nearest node that has a monitor."""
    one = made[0]
    rng = np.random.default_rng(1)
    times = one.asked.time_s[one.heard]
    ids = random_ids(rng, one.world.zone, len(times), one.world.id_bytes)
    attachment = reach(_narrow(one), _attached(one), ids, times, rng).session[:, 0]
    there = attachment >= 0
    return measure(_Watch(one).load(one.crawled.of[attachment[there]], times[there]), name)


def _attached(made: Made) -> Population:
    """Return the population as monitors see it: each attachment a session."""
    crawled = made.crawled
    return replace(made.people, node=crawled.of, begin_s=crawled.from_s, end_s=crawled.to_s)


def _narrow(made: Made) -> World:
    return replace(made.world, reach=1)


def _keys(name: str, made: Sequence[Made]) -> float:
    one = made[0]
    counts = np.bincount(one.asked.key[while_running(one)], minlength=len(one.keys.ids))
    return measure(counts[counts > 0].astype(np.float64), name)


def _looked_up(made: Sequence[Made]) -> float:
    return float(len(np.unique(made[0].asked.key[while_running(made[0])])))


def _effective(made: Sequence[Made]) -> float:
    """Return the inverse of the chance that two lookups of the process are for one key.

    Where a law gives each key's number of lookups, and not its rate: two different ones of these.
    """
    one = made[0]
    if one.world.popularity is not None:
        counts = np.bincount(one.asked.key, minlength=len(one.keys.ids)).astype(np.float64)
        return float(counts.sum() * (counts.sum() - 1) / (counts * (counts - 1)).sum())
    per_key = rate_of_keys(one)
    return float(per_key.sum() ** 2 / (per_key**2).sum())


def _elsewhere(made: Sequence[Made]) -> float:
    """Return the share of captured lookups that ended at another node than the nearest that is attached."""
    one = made[0]
    crawled, heard = one.crawled, one.heard
    rng = np.random.default_rng(2)
    asked = one.asked.take(heard)
    nearest = reach(_narrow(one), _attached(one), one.keys.ids[asked.key], asked.time_s, rng).session[:, 0]
    ended = _ended(one)[heard]
    return float(np.mean(crawled.of[nearest[nearest >= 0]] != ended[nearest >= 0]))


def known_imbalance() -> dict[str, Known]:
    """Return the truths by the names of their numbers."""
    known: dict[str, Known] = {
        "imbalance.keys_looked_up": _looked_up,
        "imbalance.effective_keys": _effective,
        "imbalance.ended_elsewhere": _elsewhere,
    }
    for name in _MEASURES:
        known[f"imbalance.nodes_{name}"] = partial(_realised, name)
        known[f"imbalance.node_rates_{name}"] = partial(_rates, name)
        known[f"imbalance.nodes_hashing_{name}"] = partial(_hashed, name)
        known[f"imbalance.keys_{name}"] = partial(_keys, name)
    return known
