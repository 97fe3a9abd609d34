"""What is true of several zones and windows together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from analysis.table import Table
from montra.validation.estimators.known import Drawn, Known, Reaches, Reduce, Stated, mean
from montra.validation.estimators.known_imbalance import known_imbalance
from montra.validation.estimators.known_network import known_network
from montra.validation.estimators.known_traffic import balance, key_rates
from montra.validation.estimators.made import Made

_OVERLAYS = ("mainline", "kad")
_OVERLAP = ("overlap", "rank_biased_overlap", "kendalls_tau")
_PLACES = (0, 5, 15)
_FALSE = 0.05
"""Share of false ones among changes that the analysis allows itself."""


def _rates(message: str, sort: str, reduce: Reduce, made: Sequence[Made]) -> Drawn:
    return Drawn(np.concatenate([key_rates(message, sort, one) for one in made]), reduce)


def _balance(sort: str, which: str, made: Sequence[Made]) -> Drawn:
    return Drawn(np.concatenate([balance(sort, which, one) for one in made]), mean)


def _over_zones(name: str, made: Sequence[Made]) -> Drawn:
    """Return a measure of each zone: its mean over zones is what runs of a few of them estimate."""
    of_one = known_imbalance()[f"imbalance.{name}"]
    values = [of_one([one]) for one in made]
    return Drawn(np.array([value for value in values if isinstance(value, float)]), mean)


def known_over() -> dict[str, Known]:
    """Return the truths by the names of their numbers."""
    network_size = known_network()["network.network_size"]
    known: dict[str, Known] = {}
    for overlay in _OVERLAYS:
        known[f"over_network.network_size_{overlay}"] = network_size
        for name in ("nodes_gini", "nodes_top_1_percent", "nodes_hashing_gini", "keys_gini", "ended_elsewhere"):
            known[f"over_imbalance.{overlay}_{name}"] = partial(_over_zones, name)
        # Where lookups tell neither sort nor purpose, all keys stand for those of the paper.
        told = overlay == "kad"
        publish, search = ("publish", "search") if told else ("lookup", "lookup")
        keyword, file, of_all = ("keyword", "file", "keyword") if told else ("info_hash", "info_hash", "all")
        traffic = f"over_traffic.{overlay}_"
        known[f"{traffic}published_at_least_0_1"] = partial(_rates, publish, of_all, Reaches(0.1))
        known[f"{traffic}published_at_least_30"] = partial(_rates, publish, of_all, Reaches(30.0))
        known[f"{traffic}searched_at_least_2"] = partial(_rates, search, of_all, Reaches(2.0))
        known[f"{traffic}files_searched_only"] = partial(_balance, file, "searched_only")
        known[f"{traffic}files_published_only"] = partial(_balance, file, "published_only")
        known[f"{traffic}keywords_published_only"] = partial(_balance, keyword, "published_only")
    return known


def unchanged(table: Table, made: Sequence[Made]) -> Iterator[Stated]:
    """Yield what chance alone is said to leave of lists of popular keys, where no key's popularity has changed."""
    if any(not np.array_equal(one.keys.rate, made[0].keys.rate) for one in made):
        return
    rows = [row for row, counted in enumerate(table.column("counted")) if counted == "lookups"]
    for name in _OVERLAP if rows else ():
        found = float(table.column(name)[rows[0]])
        low, high = (float(table.column(f"{name}_unchanged_{end}")[rows[0]]) for end in ("low", "high"))
        yield Stated(f"over_popularity.unchanged.{name}", found, low, high, found)


def changes(table: Table, made: Sequence[Made]) -> Iterator[Stated]:
    """Yield how much some keys changed that are said to have, and whether too many of all these did not."""
    if len(made) != 2 or np.array_equal(made[0].keys.rate, made[1].keys.rate):
        return
    place = {key.tobytes().hex(): row for row, key in enumerate(made[0].keys.ids)}
    rows = [row for row, counted in enumerate(table.column("counted")) if counted == "lookups"]
    keys = [place[table.column("key")[row]] for row in rows]
    ratio = made[1].keys.rate / made[0].keys.rate
    for at in _PLACES:
        if at < len(rows):
            value, low, high = (float(table.column(f"ratio{end}")[rows[at]]) for end in ("", "_low", "_high"))
            upto = math.inf if math.isnan(high) else high
            yield Stated(f"over_popularity.change_{at + 1}", value, low, upto, float(ratio[keys[at]]))
    if keys:
        false = sum(float(ratio[key]) == 1.0 for key in keys) / len(keys)
        # By chance a few more than one in twenty may be false in one pair of windows.
        most = _FALSE + 2 * math.sqrt(_FALSE * (1 - _FALSE) / len(keys))
        yield Stated("over_popularity.false_changes", false, 0.0, most, false)
