"""The coming and going of nodes in one run: all its numbers and tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.network.flows import Rate, arrivals, departures, half_window_s, lengths_of
from analysis.network.lengths import LEAST_STAYS, Survival, create_based, kaplan_meier, quantile, thinned
from analysis.network.rhythm import Rhythm, rhythm_of
from analysis.network.stays import End, Stays, stays_of
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from analysis.traffic.intervals import Z, divided

SHARES = (0.25, 0.5, 0.75, 0.9)
"""Quantiles told."""

_POINTS = 120
_STEPS = 1000
_INPUTS = ("targets", "crawls")
_UNSETTLED = "crawls were too few to know all nodes and then see some come"


@dataclass(frozen=True, slots=True)
class Churn:
    """Who comes, who goes, and how long they stay, of stays of `shortest_s` at least.

    arrivals, departures: a minute; mean_s: mean length by Little's law, with bounds; created, product: survival by
    each method, None for too few; by_creation, by_product: their quantiles by share, (value, low, high), NaN if not
    told; half_s: for how long the create-based method looks; step_s: of the crawls; lag: crawls until a node is given
    up; settled_s: seconds watched; ends: stays by how they ended.
    """

    arrivals: Rate
    departures: Rate
    mean_s: tuple[float, float, float]
    created: Survival | None
    product: Survival | None
    by_creation: dict[float, tuple[float, float, float]]
    by_product: dict[float, tuple[float, float, float]]
    shortest_s: float
    half_s: float
    step_s: float
    lag: int
    settled_s: float
    ends: dict[str, int]

    def quantities(self) -> list[Quantity]:
        """Return the numbers."""
        return [*self._rates(), *self._quantiles(self.by_creation, "create"), *self._quantiles(self.by_product, "km"),
                self._mean(), *self._facts()]  # fmt: skip

    def _rates(self) -> list[Quantity]:
        functions: dict[str, Callable[..., Rate]] = {"arrivals": arrivals, "departures": departures}
        meaning = {
            "arrivals": "nodes that come into the zone and stay for `shortest_stay` at least",
            "departures": "nodes that leave the zone after a stay of `shortest_stay` at least",
        }
        method = {
            "arrivals": "Poisson, widened by the variance of the series itself and by stays a crawl longer or shorter; "
            "below, nodes that were still to be found when counting began are left out",
            "departures": "Poisson, widened by the variance of the series itself and by stays a crawl longer or "
            "shorter",
        }
        return [
            Quantity(
                name,
                rate.value,
                "a minute",
                meaning[name],
                made_by(functions[name]),
                _INPUTS,
                rate.low,
                rate.high,
                method[name],
                "" if rate.seconds else _UNSETTLED,
            )
            for name, rate in (("arrivals", self.arrivals), ("departures", self.departures))
        ]

    def _quantiles(self, found: dict[float, tuple[float, float, float]], method: str) -> list[Quantity]:
        created = method == "create"
        survival = self.created if created else self.product
        how = "stays created in the first part of the window (order statistics)" if created else "Kaplan and Meier"
        if not self.settled_s:
            why = _UNSETTLED
        elif survival is None:
            why = f"fewer than {LEAST_STAYS} stays began early enough"
        else:
            why = "so many of the stays last longer than they could be watched"
        return [
            Quantity(
                f"stay_{round(100 * share)}_{method}",
                value,
                "s",
                f"length that {round(100 * share)} % of stays do not exceed, of those that last `shortest_stay` at "
                f"least, by {how}",
                made_by(create_based if created else kaplan_meier),
                _INPUTS,
                low,
                high,
                "where the pointwise bounds of the survival reach it (Brookmeyer and Crowley 1982), moved out by one "
                "crawl and by stays whose beginning is in doubt",
                "" if value == value else why,
            )
            for share, (value, low, high) in found.items()
        ]

    def _mean(self) -> Quantity:
        value, low, high = self.mean_s
        why = "nobody came" if self.settled_s else _UNSETTLED
        return Quantity(
            "stay_mean",
            value,
            "s",
            "mean length of the stays that last `shortest_stay` at least: nodes there at once by those that come "
            "(Little's law), which supposes that as many come as go for as long as stays last",
            made_by(mean_of),
            _INPUTS,
            low,
            high,
            "by the bounds of both numbers, and the chance by which nodes are there",
            "" if value == value else why,
        )

    def _facts(self) -> list[Quantity]:
        facts = (
            ("shortest_stay", self.shortest_s, "s", "shortest stay that rates and lengths are told of: of shorter ones "
             "crawls miss some"),
            ("crawl_step", self.step_s, "s", "median time from one crawl to the next: how exactly times are known"),
            ("crawl_lag", float(self.lag), "crawls", "that a node is missed in before it is given up, by which leaving "
             "is put back"),
            ("settled_s", self.settled_s, "s", "of the window in which all nodes were known, so that who is found has "
             "come"),
        )  # fmt: skip
        return [
            Quantity(
                name,
                value,
                unit,
                meaning,
                made_by(rhythm_of),
                ("crawls", "targets"),
                withheld="" if value == value else "fewer than two crawls",
            )
            for name, value, unit, meaning in facts
        ]

    def tables(self) -> list[Table]:
        """Return the survival of stays, and how they ended."""
        ends = Table(
            "stays_ended",
            "How stays ended",
            "one way, and the stays of the whole window that ended so",
            made_by(stays_of),
            ("targets",),
            (
                Column("end", list(self.ends), "", "still: there when the run stopped; gone: missed by crawls; silent: "
                       "noticed by its monitor first; left: took an ID outside the zone; unclear: silent to several "
                       "monitors"),
                Column("stays", np.array(list(self.ends.values()), np.int64), "stays", "how many"),
            ),
        )  # fmt: skip
        return [self.survival(), ends]

    def survival(self) -> Table:
        """Return both curves at lengths evenly spaced on a logarithmic scale."""
        reach = max((one.until_s for one in (self.created, self.product) if one is not None), default=0.0)
        at = np.geomspace(self.shortest_s, reach, _POINTS) if reach > self.shortest_s else np.empty(0)
        nothing = np.full((3, len(at)), np.nan)
        created, product = (nothing if one is None else one.at(at) for one in (self.created, self.product))
        columns = [Column("length_s", at, "s", "length of a stay")]
        for name, values, how in (
            ("create_based", created, "create-based method"),
            ("kaplan_meier", product, "Kaplan and Meier's estimator"),
        ):
            columns += [
                Column(name, values[0], "share", f"of stays that last longer, by the {how}"),
                Column(f"{name}_low", values[1], "share", "95 % bound at this length"),
                Column(f"{name}_high", values[2], "share", "95 % bound at this length"),
            ]
        return Table(
            "stays",
            "How long nodes stay",
            "one length, and the share of stays that last longer, of those that last `shortest_stay` at least",
            made_by(churn_of),
            _INPUTS,
            tuple(columns),
        )


def mean_of(population: tuple[float, float, float], come: Rate) -> tuple[float, float, float]:
    """Return the mean length of stays in seconds, with bounds: nodes there at once by arrivals a second (Little 1961).

    population: (mean, low, high), bounds NaN if unknown. The nodes that happen to be there are a sample too: to their
    bounds that of a count is added.
    """
    mean, low, high = population
    if not (mean > 0 and come.value > 0):
        return np.nan, np.nan, np.nan
    if low != low:
        return mean / come.value * 60, np.nan, np.nan
    low, high = max(low - Z * np.sqrt(low), 0.0), high + Z * np.sqrt(high)
    minutes = divided((mean, low, high), (come.value, come.low, come.high))
    return minutes[0] * 60, minutes[1] * 60, minutes[2] * 60


def churn_of(stays: Stays, rhythm: Rhythm, unknown: float, population: tuple[float, float, float]) -> Churn:
    """Return who comes and goes; unknown: nodes still to be found when settled times began; population: as `mean_of`"""
    lengths, half_s = lengths_of(stays, rhythm, unknown), half_window_s(rhythm)
    created, product = create_based(lengths, half_s), kaplan_meier(lengths)
    nothing = (np.nan, np.nan, np.nan)
    by_creation, by_product = (
        {share: nothing if found is None else quantile(found, lengths, share) for share in SHARES}
        for found in (created, product)
    )
    come = arrivals(stays, rhythm, unknown)
    return Churn(
        arrivals=come,
        departures=departures(stays, rhythm),
        mean_s=mean_of(population, come),
        created=None if created is None else thinned(created, _STEPS),
        product=None if product is None else thinned(product, _STEPS),
        by_creation=by_creation,
        by_product=by_product,
        shortest_s=rhythm.shortest_s,
        half_s=half_s,
        step_s=rhythm.step_s,
        lag=rhythm.lag,
        settled_s=rhythm.settled_s,
        ends={end.name.lower(): int((stays.how == end).sum()) for end in End},
    )
