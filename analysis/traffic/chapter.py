"""How much was searched and published in one run: over time, for each key, by how many, and in what proportion."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.engine.source import Source
from analysis.quantity import Quantity
from analysis.table import Table
from analysis.traffic.balance import Balance, balance_of
from analysis.traffic.copies import Copies, copies_of
from analysis.traffic.key_rates import ALL, KeyRates, key_rates
from analysis.traffic.overall import Band, Rate, band_of, rates_of
from analysis.traffic.publishers import Publishers, publishers
from analysis.traffic.quantities import quantities_of
from analysis.traffic.series import Series, series_of
from analysis.traffic.tables import tables_of
from analysis.trust.capture import LOOKUPS, PUBLISHES, CaptureRate, capture_of

SEARCHES = ("capture_lookups", "capture")
"""The shares of a validation that tell how much was captured of lookups that only search."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """The results.

    tells_publishes: whether lookups say if they search or publish; running_s: time in which the run was at work;
    series: counts over time; rates: of lookups, and of searches and publishes or of announces; captures: what corrects
    each, None if nobody knows; copies: how lookups were heard; key_rates: of each message and sort of key; balance: of
    supply and demand, by sort; publishers: of the keys published most; keys: distinct ones looked up or announced to;
    requesters: distinct (address, port) of users' lookups and announces.
    """

    tells_publishes: bool
    running_s: float
    series: Series
    rates: tuple[Rate, ...]
    captures: dict[str, CaptureRate | None]
    copies: Copies
    key_rates: tuple[KeyRates, ...]
    balance: tuple[Balance, ...]
    publishers: Publishers
    keys: int
    requesters: int

    def count(self, name: str) -> int:
        """Return how many there were of one of `series.NAMES`."""
        return int(self.series.column(name).sum())

    @property
    def lookups(self) -> int:
        """Users' lookups."""
        return self.count("lookups")

    def rate(self, name: str) -> Rate:
        """Return the rate of one sort of message; raises KeyError for one that is not told."""
        for rate in self.rates:
            if rate.name == name:
                return rate
        raise KeyError(name)

    def band(self, rate: Rate, most: int) -> tuple[Series, Band]:
        """Return the series in so many bins at most, and a rate in each of them with its bounds."""
        series = self.series.coarser(most)
        return series, band_of(series, rate, self.captures[rate.name])

    def of_keys(self, message: str, sort: str = ALL) -> KeyRates | None:
        """Return the rates of keys by one message, None if no key of that sort has any."""
        for rates in self.key_rates:
            if (rates.message, rates.sort) == (message, sort):
                return rates
        return None

    def quantities(self) -> list[Quantity]:
        """Return the numbers, each with its bounds."""
        return quantities_of(self)

    def tables(self) -> list[Table]:
        """Return the tables."""
        return tables_of(self)


def examine(source: Source) -> Traffic:
    """Return the traffic of a run."""
    run, db, given = source.run, source.db, source.given
    tells = bool(given.republish_s)
    series = series_of(db, run, run.attachments)
    measured = {"lookups": LOOKUPS} | ({"searches": SEARCHES, "publishes": PUBLISHES} if tells else {})
    captures = {name: capture_of(given.canaries, source.validation, shares) for name, shares in measured.items()}
    if not tells:
        captures["announces"] = None  # whose share monitors hear is another question: most answer nobody
    rates = rates_of(db, series, captures)
    excess = {rate.name: rate.excess for rate in rates}
    supply, demand = ("publishes", "searches") if tells else ("lookups", "lookups")
    return Traffic(
        tells_publishes=tells,
        running_s=run.running_seconds,
        series=series,
        rates=rates,
        captures=captures,
        copies=copies_of(db),
        key_rates=key_rates(db, run.running_seconds, excess),
        balance=balance_of(db, told=tells, excess=(excess[supply], excess[demand])),
        publishers=publishers(db, run, given.republish_s, captures.get("publishes")),
        keys=db.one("SELECT count(*) FROM keys"),
        # Grouped, since groups can go to disk and a set of distinct values cannot.
        requesters=db.one(
            "SELECT count(*) FROM (SELECT requester FROM users "
            "WHERE what IN ('lookup', 'search', 'publish', 'announce') GROUP BY requester)"
        ),
    )
