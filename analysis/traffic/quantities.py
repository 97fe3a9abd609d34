"""The traffic of one run as single numbers, each with its bounds and what they leave out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from analysis.engine.keys import UNKNOWN
from analysis.engine.sorts import BUDDY
from analysis.quantity import Quantity, made_by
from analysis.traffic.balance import Balance, balance_of, told_balances
from analysis.traffic.copies import copies_of
from analysis.traffic.key_rates import ALL, AT_LEAST, TOP_SHARES, KeyRates, rate_of_top, share_at_least
from analysis.traffic.overall import Rate, rate_of
from analysis.traffic.series import series_of
from analysis.traffic.tables import PER_MINUTE, words
from analysis.trust.capture import CaptureRate

if TYPE_CHECKING:
    from analysis.traffic.chapter import Traffic

NOT_MEASURED = "nobody measured what this window missed: it made no canaries and was not compared with a truth"
NEVER_AT_WORK = "the run was never at work"
_UNTOLD = (UNKNOWN, BUDDY)
"""Sorts of keys that have no numbers of their own: nobody told what they are, or they are no content."""

_WHO = {
    "lookups": "users' lookups that ask for a key",
    "searches": "users' lookups that say they search",
    "publishes": "users' lookups that say they publish",
    "announces": "users' announces",
}
_KEYS = {ALL: "keys", "file": "files", "keyword": "keywords", "info_hash": "info-hashes"}
_DONE = {"lookup": "looked up", "search": "searched", "publish": "published", "announce": "announced to"}
_BY_KEYS = (
    "The keys of a zone are a sample of the network's, drawn by hashing: {}, widened by how unevenly messages came. "
    "Holds for keys as this run captures them in a window of its length."
)


def quantities_of(traffic: Traffic) -> list[Quantity]:
    """Return all of them."""
    found = _counts(traffic)
    for rate in traffic.rates:
        found += _rates(rate, traffic.captures[rate.name])
    for rates in traffic.key_rates:
        every = traffic.of_keys(rates.message)
        alone = rates.sort != ALL and every is not None and rates.seen == every.seen
        told_better = traffic.tells_publishes and rates.message == "lookup"
        if rates.sort not in _UNTOLD and not alone and not told_better:
            found += _of_keys(rates)
    for balance in told_balances(traffic.balance):
        found += _balance(balance, told=traffic.tells_publishes)
    return found + _copies(traffic)


def _counts(traffic: Traffic) -> list[Quantity]:
    counted, inputs = made_by(series_of), ("lookups",)
    names = ("lookups", "searches", "publishes") if traffic.tells_publishes else ("lookups", "announces")
    found = [
        Quantity(name, traffic.count(name), "", f"Captured {_WHO[name]}, as they were counted.", counted, inputs)
        for name in names
    ]
    share = traffic.series.monitored_share
    return [
        *found,
        Quantity(
            "node_lookups",
            traffic.count("node_lookups"),
            "",
            "Captured node lookups (find_node) that are no maintenance.",
            counted,
            inputs,
        ),
        Quantity("maintenance", traffic.count("maintenance"), "", "Captured lookups of no user.", counted, inputs),
        Quantity("keys", traffic.keys, "", "Distinct keys looked up or announced to.", _CHAPTER, inputs),
        Quantity(
            "requesters",
            traffic.requesters,
            "",
            "Distinct (address, port) of users' lookups and announces; not people.",
            _CHAPTER,
            inputs,
        ),
        Quantity(
            "monitored_share",
            share,
            "share",
            "Share of the time of known nodes in which their monitor was visible, while the run was at work.",
            counted,
            ("targets", "ledger"),
            withheld="no node was known" if math.isnan(share) else "",
        ),
    ]


def _rates(rate: Rate, capture: CaptureRate | None) -> list[Quantity]:
    function = made_by(rate_of)
    value, low, high = rate.captured
    spread = (
        f"Garwood's interval of a count whose variance is {rate.dispersion:.3g} times its mean, by what requesters "
        "repeat and by how neighbouring parts of the window differ; of the process of which the window is one draw."
    )
    captured = Quantity(
        f"{rate.name}_a_minute",
        value,
        PER_MINUTE,
        f"Captured {_WHO[rate.name]}, a minute of the time in which the run was at work; what was missed is not added.",
        function,
        ("lookups", "ledger"),
        low,
        high,
        spread,
        NEVER_AT_WORK if math.isnan(value) else "",
    )
    if rate.name == "announces":
        return [captured]  # monitors that answer nobody hear none, so there is nothing to divide by
    value, low, high = rate.corrected
    withheld = "" if not math.isnan(value) else (NEVER_AT_WORK if capture else NOT_MEASURED)
    by = "" if capture is None else f" by {capture.source}, {capture.trials} tries"
    return [
        captured,
        Quantity(
            f"{rate.name}_a_minute_corrected",
            value,
            PER_MINUTE,
            f"All {_WHO[rate.name]}, a minute of the time in which the run was at work: captured, divided by the share "
            "that was captured.",
            function,
            ("lookups", "ledger", "canaries", "validation"),
            low,
            high,
            f"{spread} Joined (MOVER) with the interval of the capture rate{by}, which holds what was missed for want "
            "of a monitor. Supposes that users' clients are captured as those that were measured.",
            withheld,
        ),
    ]


def _of_keys(rates: KeyRates) -> list[Quantity]:
    of = f"{rates.message}_{rates.sort}"
    keys = f"{_KEYS.get(rates.sort, rates.sort)} {_DONE[rates.message]} at all"
    inputs = ("lookups",) if rates.sort == ALL else ("lookups", "contents")
    found = []
    for mark in AT_LEAST:
        share, low, high = share_at_least(rates, mark)
        found.append(
            Quantity(
                f"{of}_share_at_least_{words(mark)}",
                share,
                "share",
                f"Of {keys}, the share with at least {mark:g} captured messages a minute.",
                made_by(share_at_least),
                inputs,
                low,
                high,
                _BY_KEYS.format("exact binomial"),
                "the window is so short that one message makes this rate" if math.isnan(share) else "",
            )
        )
    for top in TOP_SHARES:
        rate, low, high = rate_of_top(rates, top)
        found.append(
            Quantity(
                f"{of}_rate_of_top_{words(100 * top)}_percent",
                rate,
                PER_MINUTE,
                f"The rate that {100 * top:g} % of {keys} have at least, as captured.",
                made_by(rate_of_top),
                inputs,
                low,
                high,
                _BY_KEYS.format("order statistics"),
                f"there are fewer than {1 / top:.0f} keys" if math.isnan(rate) else "",
            )
        )
    return found


def _balance(balance: Balance, *, told: bool) -> list[Quantity]:
    keys = _KEYS.get(balance.sort, f"keys of sort {balance.sort}")
    supply = "" if told else " A requester supplies that says it is a seed, or that announces."
    found = []
    for name, of, done in (
        ("searched_only", "only_searched", "searched but never published"),
        ("published_only", "only_published", "published but never searched"),
        ("published_and_searched", "both", "published and searched"),
    ):
        share, low, high = balance.share(of)
        found.append(
            Quantity(
                f"{balance.sort}_{name}",
                share,
                "share",
                f"Of {keys} published or searched in the window, the share {done}.{supply}",
                made_by(balance_of),
                ("lookups", "contents"),
                low,
                high,
                _BY_KEYS.format("exact binomial") + " A longer window, or one that misses less, finds fewer that "
                "were only published or only searched.",
            )
        )
    return found


def _copies(traffic: Traffic) -> list[Quantity]:
    copies, function = traffic.copies, made_by(copies_of)
    found = []
    for name, value, unit, meaning in (
        ("monitors_a_lookup", copies.mean, "monitors", "Mean number of monitors that heard a lookup."),
        (
            "closest_share",
            copies.closest_share,
            "share",
            "Share of lookups that were observed to end at the nearest node attached then; nodes that had "
            "just left are among those.",
        ),
        (
            "mean_confidence",
            copies.mean_confidence,
            "share",
            "Mean probability that the inferred destination of a lookup is right.",
        ),
        (
            "observed_share",
            copies.observed_share,
            "share",
            "Share of lookups whose inferred destination is the one observed.",
        ),
    ):
        withheld = "no lookup was captured" if math.isnan(value) else ""
        found.append(Quantity(name, value, unit, meaning, function, ("lookups",), withheld=withheld))
    return found


_CHAPTER = "analysis.traffic.chapter.examine"
