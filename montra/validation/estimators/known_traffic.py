"""What is true of a world's traffic."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from montra.validation.estimators.demand import FILE, KEYWORD, UNSORTED
from montra.validation.estimators.known import Drawn, Known, ReachedBy, Reaches, Reduce, mean
from montra.validation.estimators.laws import Floats
from montra.validation.estimators.made import Made
from montra.validation.estimators.world import HOUR_S, Publishing
from zone_store.captures import Kind

_KINDS = {
    "lookup": (Kind.LOOKUP, Kind.SEARCH, Kind.PUBLISH),
    "search": (Kind.SEARCH,),
    "publish": (Kind.PUBLISH,),
    "announce": (Kind.ANNOUNCE,),
}
_PLURAL = {"lookup": "lookups", "search": "searches", "publish": "publishes", "announce": "announces"}
UNKNOWN = "unknown"
_MOST_PUBLISHES = 1000
_SORTS = {"all": None, "file": FILE, "keyword": KEYWORD, "info_hash": UNSORTED}


def of_kind(made: Made, message: str) -> NDArray[np.bool_]:
    """Tell which lookups are of a sort of message, bool[n]."""
    return np.isin(made.asked.kind, [int(kind) for kind in _KINDS[message]])


def while_running(made: Made) -> NDArray[np.bool_]:
    """Tell which lookups were made while the instrument ran, bool[n]."""
    there = np.ones(len(made.asked.time_s), np.bool_)
    for begin, end in made.world.gaps:
        there &= (made.asked.time_s < begin * HOUR_S) | (made.asked.time_s >= end * HOUR_S)
    return there


def running_minutes(world_hours: float, gaps: Sequence[tuple[float, float]]) -> float:
    """Return the minutes in which the instrument ran."""
    return 60 * (world_hours - sum(end - begin for begin, end in gaps))


def rate(made: Made, message: str) -> float:
    """Return the expected rate a minute: what the window's rate is one draw of."""
    if made.world.popularity is not None:
        return float(of_kind(made, message).sum()) / (60 * made.world.hours)
    tells = made.world.overlay == "kad"
    asks = message == "lookup" or (message == "search" and tells)
    found = float((made.keys.rate * made.pace).sum()) if asks else 0.0
    return found + float(publish_rates(made).sum()) if message in ("lookup", "publish") else found


def rate_of_keys(made: Made) -> Floats:
    """Return the expected lookups a minute of each key, of whatever kind."""
    return made.keys.rate * made.pace + publish_rates(made)


def publish_rates(made: Made) -> Floats:
    """Return the expected publishes a minute of each key."""
    found = np.zeros(len(made.keys.rate))
    for sort, kind in ((FILE, made.world.files), (KEYWORD, made.world.keywords)):
        if kind is not None:
            own = made.keys.sort == sort
            found[own] = made.keys.publishers[own] * 60 * _publishes_a_second(kind)
    return found


def _publishes_a_second(kind: Publishing) -> float:
    """Return how often a client that is there publishes a key: at once when it comes, then every interval."""
    every_s = kind.interval_s * (1 + kind.late / 2)
    return sum(kind.stay.beyond(n * every_s) for n in range(_MOST_PUBLISHES)) / kind.stay.mean


def _rate(message: str, captured: bool, made: Sequence[Made]) -> float:
    one = made[0]
    true = rate(one, message)
    if not captured or not true:
        return true
    which = of_kind(one, message) & while_running(one)
    return true * float(one.heard[which].mean())


def _capture(made: Sequence[Made]) -> float:
    return float(made[0].heard[while_running(made[0])].mean())


def key_rates(message: str, sort: str, made: Made) -> NDArray[np.float64]:
    """Return the rates a minute, as captured, of the keys of a sort of which any such message was heard."""
    counts = np.bincount(made.asked.key[made.heard & of_kind(made, message)], minlength=len(made.keys.ids))
    there = (counts > 0) & _of_sort(made, sort)
    return np.asarray(counts[there] / running_minutes(made.world.hours, made.world.gaps), np.float64)


def _key_rates(message: str, sort: str, reduce: Reduce, made: Sequence[Made]) -> Drawn:
    return Drawn(key_rates(message, sort, made[0]), reduce)


def _of_sort(made: Made, sort: str) -> NDArray[np.bool_]:
    if sort == UNKNOWN:
        return ~made.sorted_keys
    wanted = _SORTS[sort]
    if wanted is None:
        return np.ones(len(made.keys.ids), np.bool_)
    told = made.sorted_keys | (wanted == UNSORTED)
    return np.asarray((made.keys.sort == wanted) & told, np.bool_)


def supply_and_demand(made: Made) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each key how many distinct requesters were heard to supply it, and how often it was searched."""
    asked, n = made.asked.take(made.heard), len(made.keys.ids)
    if made.world.overlay == "kad":
        supplies = asked.kind == Kind.PUBLISH
    else:
        supplies = (asked.requester * 7919 + asked.key) % 3 == 0
    pairs = np.unique(asked.key[supplies] * len(made.requesters.ip) + asked.requester[supplies])
    supply = np.bincount(pairs // len(made.requesters.ip), minlength=n)
    return supply, np.bincount(asked.key[~supplies], minlength=n)


def balance(sort: str, which: str, made: Made) -> NDArray[np.float64]:
    """Return for each key of a sort that was heard of whether it was only searched, only published, or both: 0 or 1."""
    supply, demand = supply_and_demand(made)
    seen = _of_sort(made, sort) & (supply + demand > 0)
    told = {"searched_only": supply == 0, "published_only": demand == 0}
    told["published_and_searched"] = ~told["searched_only"] & ~told["published_only"]
    return np.asarray(told[which][seen], np.float64)


def _balance(sort: str, which: str, made: Sequence[Made]) -> Drawn:
    return Drawn(balance(sort, which, made[0]), mean)


def known_traffic() -> dict[str, Known]:
    """Return the truths by the names of their numbers."""
    known: dict[str, Known] = {"trust.capture_rate": _capture}
    for message, plural in _PLURAL.items():
        known[f"traffic.{plural}_a_minute"] = partial(_rate, message, True)
        known[f"traffic.{plural}_a_minute_corrected"] = partial(_rate, message, False)
        for sort in _SORTS:
            of = f"traffic.{message}_{sort}"
            for least, name in ((0.1, "0_1"), (30.0, "30")):
                known[f"{of}_share_at_least_{name}"] = partial(_key_rates, message, sort, Reaches(least))
            for share, name in ((0.1, "10"), (0.001, "0_1")):
                known[f"{of}_rate_of_top_{name}_percent"] = partial(_key_rates, message, sort, ReachedBy(share))
    for sort in ("file", "keyword", "info_hash", UNKNOWN):
        for which in ("searched_only", "published_only", "published_and_searched"):
            known[f"traffic.{sort}_{which}"] = partial(_balance, sort, which)
    return known
