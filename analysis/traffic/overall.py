"""How many lookups, searches, publishes and announces a minute: of the window, as captured and as there were."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.engine.database import Database
from analysis.traffic.intervals import count_bounds, divided, roughness, unevenness
from analysis.traffic.series import WHICH, Series
from analysis.trust.capture import CaptureRate


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate a minute over the time in which the run was at work.

    name: of `series.NAMES`; count: captured; unevenness: how many times the variance of parts of the window is that of
    independent messages; repeats: see `repeats_of`; captured: the rate as captured, corrected: with what was missed
    added, each as (rate, low, high); corrected is NaN where nobody knows the capture rate, and its upper bound infinite
    where that may be 0.
    """

    name: str
    count: int
    unevenness: float
    repeats: float
    captured: tuple[float, float, float]
    corrected: tuple[float, float, float]

    @property
    def dispersion(self) -> float:
        """How many times the variance of the count is that of independent messages.

        Of a compound Poisson process it is `repeats`, which may be too far apart for parts of a window to show. Who
        came in a burst asks again in other parts, so what these show of bursts is as many times too little.
        """
        return self.unevenness * self.repeats

    @property
    def excess(self) -> float:
        """The relative variance of the count that all keys share: what comes unevenly comes so for all of them."""
        return (self.unevenness - 1) * self.repeats / self.count if self.count else 0.0


_MOST_PAIRED = 4_000_000
NOT_TOLD = (math.nan, math.nan, math.nan)


def rate_of(series: Series, name: str, capture: CaptureRate | None, repeats: float = 1.0) -> Rate:
    """Return the rate of one sort of message; NaN for a run that was never at work.

    repeats: see `repeats_of`. Bounds of the rate as captured are those of the mean of which this window is one draw, by
    how unevenly messages came and by repeats. Those of the corrected rate are widened by the capture rate's own. A
    capture rate that was measured over the whole window already has in it what was missed for want of a monitor;
    nothing is added for that again.
    """
    counts, minutes = series.column(name), float(series.running_s.sum()) / 60
    count = int(counts.sum())
    if minutes <= 0:
        return Rate(name, count, 1.0, repeats, NOT_TOLD, NOT_TOLD)
    uneven = unevenness(counts, series.running_s, series.width_s)
    low, high = count_bounds(count, uneven * repeats)
    captured = (count / minutes, low / minutes, high / minutes)
    return Rate(name, count, uneven, repeats, captured, _corrected(captured, capture))


def _corrected(rate: tuple[float, float, float], capture: CaptureRate | None) -> tuple[float, float, float]:
    """Return a rate as captured (rate, low, high) divided by the capture rate; NaN where nobody knows it."""
    return NOT_TOLD if capture is None else divided(rate, (capture.share, capture.low, capture.high))


@dataclass(frozen=True, slots=True)
class Band:
    """A rate a minute in each bin of a series, NaN where it is not told: float64[n] each.

    captured: as captured; low, high: 95 % bounds of the rate that there was at the time (where nobody knows the capture
    rate, of the rate as captured).
    """

    captured: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def band_of(series: Series, rate: Rate, capture: CaptureRate | None) -> Band:
    """Return a rate in each bin with bounds of chance, by how neighbouring bins differ, and of what was missed.

    Of what was missed the run knows the capture rate of the whole window, and how much of the zone's node time was
    monitored in each bin. The bounds cover all from "capture did not depend on that" to "capture was in proportion to
    it", so where few nodes had their monitor yet they are wide.
    """
    captured = series.a_minute(rate.name)
    low, high = np.full(len(captured), np.nan), np.full(len(captured), np.nan)
    monitored = series.monitored
    # Over time, as canaries and the lookups of a lab are spread.
    known = series.found_s > 0
    at_work = float(series.running_s[known].sum())
    mean = float((series.running_s[known] * monitored[known]).sum()) / at_work if at_work > 0 else 0.0
    rough = roughness(series.column(rate.name), series.running_s)
    for i in np.flatnonzero(series.told).tolist():
        minutes = series.running_s[i] / 60
        least, most = (bound / minutes for bound in count_bounds(int(series.column(rate.name)[i]), rough))
        shares = [1.0 if capture is None else capture.share]
        if capture is not None and mean > 0 and known[i]:
            shares.append(min(1.0, capture.share * monitored[i] / mean))
        spread = (1.0, 1.0) if capture is None else (capture.low / capture.share, capture.high / capture.share)
        rates = (captured[i], least, most)
        _, low[i], _ = divided(rates, _scaled(max(shares), spread))
        if min(shares) > 0:  # where no monitor was visible anything may have been missed
            _, _, high[i] = divided(rates, _scaled(min(shares), spread))
    return Band(captured, low, high)


def _scaled(share: float, spread: tuple[float, float]) -> tuple[float, float, float]:
    return share, share * spread[0], min(1.0, share * spread[1])


def rates_of(db: Database, series: Series, captures: Mapping[str, CaptureRate | None]) -> tuple[Rate, ...]:
    """Return the rates of these sorts of message, each with the capture rate that corrects it."""
    repeats = repeats_of(db, list(captures), int(series.counts.sum()))
    return tuple(rate_of(series, name, capture, repeats[name]) for name, capture in captures.items())


def repeats_of(db: Database, names: Sequence[str], rows: int) -> dict[str, float]:
    """Return how many messages a message's own requester sends for its key, on average over messages, at least 1.

    That is the sum of n^2 over the sum of n, n messages of each (requester, key). rows: of all messages; of very many
    the requesters are sampled.
    """
    every = max(1, rows // _MOST_PAIRED)
    counts = ", ".join(f"count(*) FILTER ({WHICH[name]}) AS {name}" for name in names)
    sums = ", ".join(f"coalesce(sum({name} * {name}) / sum({name}), 1)::DOUBLE" for name in names)
    ((*found,),) = db.rows(
        f"SELECT {sums} FROM (SELECT {counts} FROM users WHERE hash(requester) % {every} = 0 GROUP BY requester, key)"
    )
    return {name: 1.0 if math.isnan(value) else value for name, value in zip(names, found, strict=True)}
