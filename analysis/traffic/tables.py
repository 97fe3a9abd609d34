"""The traffic of one run as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.quantity import made_by
from analysis.table import Column, Table
from analysis.traffic.balance import STEPS, Balance, balance_of
from analysis.traffic.copies import MOST, copies_of
from analysis.traffic.key_rates import AT_LEAST, TOP_SHARES, KeyRates, key_rates, rate_of_top, share_at_least
from analysis.traffic.publishers import publishers
from analysis.traffic.series import NAMES, series_of

if TYPE_CHECKING:
    from analysis.traffic.chapter import Traffic

_COUNTED = {
    "lookups": "users' lookups that ask for a key",
    "node_lookups": "users' node lookups (find_node)",
    "announces": "users' announces",
    "maintenance": "rows of any kind that are no user's",
    "searches": "of the lookups, those that say they search",
    "publishes": "of the lookups, those that say they publish",
}
PER_MINUTE = "a minute"
_NOT_TOLD = (math.nan, math.nan, math.nan)


def words(number: float) -> str:
    """Return a number as part of a name: 0.1 as "0_1", 30 as "30"."""
    return f"{number:g}".replace(".", "_")


def tables_of(traffic: Traffic) -> list[Table]:
    """Return all of them, by the names of their files."""
    return [
        rates_table(traffic, len(traffic.series.begin_ns)),
        key_rates_table(traffic.key_rates),
        # Lookups that tell whether they search or publish are searches and publishes, and in brief no third thing.
        _key_rate_marks(
            [one for one in traffic.key_rates if not (traffic.tells_publishes and one.message == "lookup")]
        ),
        _balance(traffic),
        balance_curves(traffic.balance),
        _publishers(traffic),
        copies_table(traffic),
        ranks_table(traffic),
        _kinds(traffic),
    ]


def rates_table(traffic: Traffic, most: int) -> Table:
    """Return the rates over time in so many bins at most."""
    series = traffic.series.coarser(most)
    columns = [
        Column("begin_ns", series.begin_ns, "ns", "beginning of the time, since the Unix epoch"),
        Column("running_s", series.running_s, "s", "of that time, how long the run was at work"),
        Column("monitored_share", series.monitored, "share", "of the time of known nodes, with a visible monitor"),
        *(Column(name, series.column(name), "messages", _COUNTED[name]) for name in NAMES),
    ]
    for rate in traffic.rates:
        _, band = traffic.band(rate, most)
        known = traffic.captures[rate.name] is not None
        columns += [
            Column(f"{rate.name}_per_minute", band.captured, PER_MINUTE, f"{_COUNTED[rate.name]}, as captured"),
            *(
                Column(
                    f"{rate.name}_per_minute_{end}",
                    bound,
                    PER_MINUTE,
                    f"{which} 95 % bound of the rate " + ("with what was missed" if known else "as captured"),
                )
                for end, which, bound in (("low", "lower", band.low), ("high", "upper", band.high))
            ),
        ]
    return Table(
        "rates",
        "Rates over time",
        f"One row for every {series.width_s} s of the window.",
        made_by(series_of),
        ("lookups", "targets", "ledger", "canaries", "validation"),
        tuple(columns),
    )


def key_rates_table(found: Sequence[KeyRates]) -> Table:
    """Return the distributions of rates, one under the other."""
    return Table(
        "key_rates",
        "How often keys are asked for",
        "One row for each message, sort of key, and number of messages that a key of it has.",
        made_by(key_rates),
        ("lookups", "contents"),
        (
            Column("message", [one.message for one in found for _ in one.count], "", "what is counted"),
            Column("sort", [one.sort for one in found for _ in one.count], "", "what the keys are; all: of any sort"),
            Column("messages", joined((one.count for one in found), np.int64), "messages", "of a key in the window"),
            Column("keys", joined((one.keys for one in found), np.int64), "keys", "with so many messages"),
            Column(
                "per_minute", joined(one.rate for one in found), PER_MINUTE, "messages by running time, as captured"
            ),
            Column(
                "share_of_keys_at_least",
                joined(one.ccdf() for one in found),
                "share",
                "of keys with any such message, those with at least so many (CCDF)",
            ),
        ),
    )


def _key_rate_marks(found: Sequence[KeyRates]) -> Table:
    columns = [
        Column("message", [one.message for one in found], "", "what is counted"),
        Column("sort", [one.sort for one in found], "", "what the keys are; all: of any sort"),
        Column("keys", ints(one.seen for one in found), "keys", "with any such message"),
        Column("messages", ints(int((one.count * one.keys).sum()) for one in found), "messages", "of all of them"),
    ]
    for rate in AT_LEAST:
        columns += with_bounds(
            f"share_at_least_{words(rate)}",
            [share_at_least(one, rate) for one in found],
            "share",
            f"of these keys, those with at least {rate:g} messages a minute, as captured",
        )
    for share in TOP_SHARES:
        columns += with_bounds(
            f"rate_of_top_{words(100 * share)}_percent",
            [rate_of_top(one, share) for one in found],
            PER_MINUTE,
            f"the rate that {100 * share:g} % of these keys have at least, as captured",
        )
    columns.append(
        Column("greatest", floats(float(one.rate[-1]) for one in found), PER_MINUTE, "rate of the key with most")
    )
    return Table(
        "key_rate_marks",
        "Rates of keys in brief",
        "One row for each message and sort of key.",
        made_by(share_at_least),
        ("lookups", "contents"),
        tuple(columns),
    )


def _balance(traffic: Traffic) -> Table:
    found = traffic.balance
    columns = [
        Column("sort", [one.sort for one in found], "", "what the keys are"),
        Column("keys", ints(one.keys for one in found), "keys", "published or searched"),
        Column("publishers", ints(one.published for one in found), "publishers", "P, summed over keys"),
        Column("searches", ints(one.searches for one in found), "searches", "S, summed over keys"),
    ]
    for name, shares, meaning in (
        ("searched_only", [one.share("only_searched") for one in found], "searched, never published: P/(S+P) = 0"),
        ("published_only", [one.share("only_published") for one in found], "published, never searched: P/(S+P) = 1"),
        ("both", [one.share("both") for one in found], "searched and published"),
    ):
        columns += with_bounds(name, shares, "share", f"of the keys, those {meaning}")
    return Table(
        "balance",
        "Supply and demand",
        "One row for each sort of key: how many were only searched, only published, or both.",
        made_by(balance_of),
        ("lookups", "contents"),
        tuple(columns),
    )


def balance_curves(found: Sequence[Balance]) -> Table:
    """Return the distribution of P/(S+P) for each sort of key."""
    ratio = np.arange(STEPS + 1) / STEPS
    return Table(
        "balance_cdf",
        "Supply and demand of keys: P/(S+P)",
        "One row for each sort of key and ratio.",
        made_by(balance_of),
        ("lookups", "contents"),
        (
            Column("sort", [one.sort for one in found for _ in ratio], "", "what the keys are"),
            Column("ratio", joined(ratio for _ in found), "share", "publishers by publishers and searches"),
            Column("share_of_keys_at_most", joined(one.cdf() for one in found), "share", "of keys (CDF)"),
        ),
    )


def _publishers(traffic: Traffic) -> Table:
    found = traffic.publishers
    keys = found.keys
    columns = [
        Column("key", _ids([key.key for key in keys]), "", "the key published"),
        Column("sort", [key.sort for key in keys], "", "what it is, if that is told"),
        Column("told_by", [key.told_by for key in keys], "", "what tells"),
        Column("publishes", ints(key.publishes for key in keys), "publishes", "captured"),
        Column("per_minute", floats(key.rate_per_minute for key in keys), PER_MINUTE, "publishes, as captured"),
        Column("requesters", ints(key.requesters for key in keys), "requesters", "distinct (address, port)"),
        Column("repeats", ints(key.repeats for key in keys), "publishes", "times that one of them published again"),
    ]
    for name, seconds in found.intervals_s.items():
        every = f"if it is a {name}, published every {seconds:g} s"
        # What is told to be another sort of key has no publishers of this one.
        others = [key.sort not in ("", name) for key in keys]
        estimates = [key.estimates[name] for key in keys]
        numbers = [(one.publishers, one.low, one.high) for one in estimates]
        numbers = [_NOT_TOLD if other else found for other, found in zip(others, numbers, strict=True)]
        withheld = [
            f"it is a {key.sort}" if other else one.withheld
            for key, other, one in zip(keys, others, estimates, strict=True)
        ]
        columns += with_bounds(
            f"{name}_publishers",
            numbers,
            "nodes",
            f"that publish it at a time, {every}",
        )
        columns += [
            Column(
                f"{name}_seen", floats(one.seen for one in estimates), "requesters", f"in one interval (mean), {every}"
            ),
            Column(f"{name}_withheld", withheld, "", "why that is not told"),
        ]
    return Table(
        "publishers",
        "Publishers of the keys published most",
        f"One row for each of the {len(keys)} keys with most publishes, most first.",
        made_by(publishers),
        ("lookups", "contents", "canaries", "validation"),
        tuple(columns),
        people="requesters",
    )


def copies_table(traffic: Traffic) -> Table:
    """Return lookups by the number of monitors that heard them."""
    return _distribution("copies", "Monitors that heard a lookup", "monitors", traffic.copies.copies)


def ranks_table(traffic: Traffic) -> Table:
    """Return lookups by the rank of their destination."""
    return _distribution("ranks", "Rank of the destination among attached nodes", "rank", traffic.copies.ranks)


def _distribution(name: str, title: str, column: str, counts: NDArray[np.int64]) -> Table:
    return Table(
        name,
        title,
        f"One row for each number; {MOST} stands for all from there on.",
        made_by(copies_of),
        ("lookups",),
        (
            Column(column, np.arange(MOST + 1), "nodes", title),
            Column("lookups", counts, "lookups", "users' lookups with this number"),
        ),
    )


def _kinds(traffic: Traffic) -> Table:
    kinds = traffic.copies.kinds
    return Table(
        "kinds",
        "What was captured",
        "One row for each kind of message and reason why it is no user's (none: it is a user's).",
        made_by(copies_of),
        ("lookups",),
        (
            Column("kind", [kind for kind, _ in kinds], "", "of message"),
            Column("maintenance", [why for _, why in kinds], "", "why it is no user's"),
            Column("rows", ints(kinds.values()), "lookups", "all copies of one query from one requester are one"),
        ),
    )


def with_bounds(name: str, values: Iterable[tuple[float, float, float]], unit: str, meaning: str) -> list[Column]:
    """Return a column of values and two of their bounds, from (value, low, high) each."""
    value, low, high = np.array([*values, _NOT_TOLD]).T[:, :-1]
    return [
        Column(name, value, unit, meaning),
        Column(f"{name}_low", low, unit, "lower 95 % bound of that"),
        Column(f"{name}_high", high, unit, "upper 95 % bound of that"),
    ]


def _ids(keys: list[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), len(keys[0]) if keys else 0)


def ints(values: Iterable[int]) -> NDArray[np.int64]:
    """Return whole numbers as an array."""
    return np.fromiter(values, np.int64)


def floats(values: Iterable[float]) -> NDArray[np.float64]:
    """Return numbers as an array."""
    return np.fromiter(values, np.float64)


def joined(parts: Iterable[NDArray[Any]], kind: type = np.float64) -> NDArray[Any]:
    """Return arrays one after the other, of one type; none if there are none."""
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind)
