"""Intervals that stand in tables beside the numbers of a chapter: some of each table are judged, too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from analysis.over import Overview
from analysis.quantity import Quantity
from analysis.result import Analysis
from analysis.table import Table
from montra.validation.estimators.demand import FILE
from montra.validation.estimators.known import Drawn, Stated, mean
from montra.validation.estimators.known_over import changes, unchanged
from montra.validation.estimators.known_popularity import fits
from montra.validation.estimators.made import Made
from zone_store.captures import Kind

_RANKS = (1, 10, 40)
_PLACES = {"early": 0.02, "middle": 0.5, "late": 0.95}
"""Where in the window the rate over time is judged, as a share of it."""


def of_quantity(name: str, quantity: Quantity) -> Stated:
    """Return a number of a chapter."""
    return Stated(name, quantity.value, quantity.low, quantity.high)


def beside(analysis: Analysis, made: Made) -> Iterator[Stated]:
    """Yield what some rows of tables state, with what is true of them."""
    tables = {table.name: table for table in analysis.tables()}
    yield from _rates(tables["rates"], made)
    yield from _publishers_stated(analysis, made)
    yield from fits(tables["popularity_fits"], made)
    if made.world.overlay == "mainline":
        name = analysis.given.version_name(made.world.clients[0][0])
        yield from _clients(name, tables["nodes"], tables["clients"], made)


def beside_over(overview: Overview, made: Sequence[Made]) -> Iterator[Stated]:
    """Yield what some rows of tables over several runs state, with what is true of them."""
    tables = {table.name: table for table in overview.tables()}
    if "key_stability" in tables:
        yield from unchanged(tables["key_stability"], made)
        yield from changes(tables["changed_keys"], made)


def _rates(table: Table, made: Made) -> Iterator[Stated]:
    """Yield the rate of lookups at three times: so many a minute as were made then."""
    begin_s = (np.asarray(table.column("begin_ns")) - made.world.start_ns) / 1e9
    end_s = np.append(begin_s[1:], made.world.seconds)
    columns = [np.asarray(table.column(f"lookups_per_minute{end}")) for end in ("", "_low", "_high")]
    for place, share in _PLACES.items():
        row = int(np.searchsorted(begin_s, share * made.world.seconds, side="right")) - 1
        there = (made.asked.time_s >= begin_s[row]) & (made.asked.time_s < end_s[row])
        true = float(there.sum()) * 60 / float(end_s[row] - begin_s[row])
        value, low, high = (float(column[row]) for column in columns)
        yield Stated(f"traffic.rate_{place}", value, low, high, true)


def _clients(client: str, nodes: Table, askers: Table, made: Made) -> Iterator[Stated]:
    """Yield the shares of one client among nodes and requesters, and among their addresses."""
    version, share = made.world.clients[0]
    told = (
        ("nodes", nodes, "share", share),
        ("node_addresses", nodes, "address_share", _addresses(made, version)),
        ("requesters", askers, "requester_share", share),
    )
    for what, table, column, truth in told:
        row = list(table.column("client")).index(client)
        value, low, high = (float(table.column(f"{column}{end}")[row]) for end in ("", "_low", "_high"))
        yield Stated(f"network.client_of_{what}", value, low, high, truth)


def _addresses(made: Made, version: int) -> Drawn:
    """Return for each address of nodes whether one there runs a client."""
    people = made.people
    address, place = np.unique(people.ip, return_inverse=True)
    runs = np.zeros(len(address))
    runs[place[people.version == version]] = 1.0
    return Drawn(runs, mean)


def _publishers_stated(analysis: Analysis, made: Made) -> Iterator[Stated]:
    """Yield the publishers of the keys of some ranks by publishes, each with what is true of that key."""
    by_key = {key.tobytes(): row for row, key in enumerate(made.keys.ids)}
    for rank in _RANKS:
        if rank > len(analysis.traffic.publishers.keys):
            continue
        one = analysis.traffic.publishers.keys[rank - 1]
        row = by_key[one.key]
        name = "file" if made.keys.sort[row] == FILE else "keyword"
        estimate = one.estimates[name]
        truth = _publishers(made, row, estimate.interval_s)
        yield Stated(f"traffic.publishers.{name}_{rank}", estimate.publishers, estimate.low, estimate.high, truth)


def _publishers(made: Made, key: int, interval_s: float) -> float:
    """Return how many published in the interval before a time: mean over those whose interval lies in the window.

    Of a window shorter than the interval, at its end.
    """
    until = made.world.seconds
    first = min(interval_s, until)
    times, who = [], []
    for part in (made.earlier, made.asked):
        own = (part.key == key) & (part.kind == Kind.PUBLISH)
        times.append(part.time_s[own])
        who.append(part.requester[own])
    time_s, requester = np.concatenate(times), np.concatenate(who)
    order = np.lexsort((time_s, requester))
    time_s, requester = time_s[order], requester[order]
    again = np.append(requester[1:] == requester[:-1], False)
    following = np.where(again, np.append(time_s[1:], 0.0), np.inf)
    ends = np.minimum(following, time_s + interval_s)
    if first >= until:
        return float(((time_s < until) & (ends >= until)).sum())
    lasted = np.clip(ends, first, until) - np.clip(time_s, first, until)
    return float(lasted.sum() / (until - first)) if len(lasted) else math.nan
