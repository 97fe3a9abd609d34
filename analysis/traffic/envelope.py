"""Curves of several runs as the least and the greatest of them at each place (paper, section V)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.quantity import made_by
from analysis.table import Column, Table
from analysis.traffic.balance import LINE_X, Balance
from analysis.traffic.curves import shown_points
from analysis.traffic.key_rates import KeyRates
from analysis.traffic.tables import joined


@dataclass(frozen=True, slots=True)
class Envelope:
    """Curves of one network's runs.

    overlay, sort: of network and keys; message: of `key_rates.MESSAGES`, "balance" for P/(S+P); x, least, greatest
    float64[n]: the two shares at each place; runs: curves; keys: in all of them, a key once for each run.
    """

    overlay: str
    message: str
    sort: str
    x: NDArray[np.float64]
    least: NDArray[np.float64]
    greatest: NDArray[np.float64]
    runs: int
    keys: int


def of_rates(overlay: str, curves: Sequence[KeyRates]) -> Envelope:
    """Return the envelope of the CCDFs of rates of one sort of message and key.

    One message in a short window is a higher rate than in a long one, so the envelope begins at the lowest rate that
    all windows can show. Of the places of all curves some are taken, evenly on a logarithmic axis; the shares there are
    exact.
    """
    first = max(one.least for one in curves)
    places = np.unique(np.concatenate([one.rate[shown_points(one.count)] for one in curves]))
    # Rates of windows of one length are the same numbers but for rounding.
    places = places[np.append(True, np.diff(places) > 1e-9 * places[1:])]
    places = places[places >= first * (1 - 1e-9)]
    x = places[shown_points(places)]
    shares = np.array([_share(one, x) for one in curves])
    return Envelope(
        overlay,
        curves[0].message,
        curves[0].sort,
        x,
        shares.min(axis=0),
        shares.max(axis=0),
        len(curves),
        sum(one.seen for one in curves),
    )


def _share(rates: KeyRates, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of keys with at least each rate."""
    shares = np.append(rates.ccdf(), 0.0)[np.searchsorted(rates.rate, x * (1 - 1e-9))]
    return np.asarray(shares, np.float64)


def of_balances(overlay: str, curves: Sequence[Balance]) -> Envelope:
    """Return the envelope of the CDFs of P/(S+P) of one sort of key."""
    lines = np.array([one.line() for one in curves])
    return Envelope(
        overlay,
        "balance",
        curves[0].sort,
        LINE_X,
        lines.min(axis=0),
        lines.max(axis=0),
        len(curves),
        sum(one.keys for one in curves),
    )


def envelopes_table(envelopes: Sequence[Envelope]) -> Table:
    """Return envelopes, one under the other."""
    return Table(
        "envelopes",
        "Envelopes over runs",
        "One row for each network, message, sort of key, and place. Of messages, x is a rate a minute and the shares "
        "are of keys with at least that (CCDF); of balance, x is P/(S+P) and they are of keys with at most that (CDF: "
        "the first row is just below 0, the last but one just below 1).",
        made_by(of_rates),
        ("lookups", "contents"),
        (
            Column("overlay", [one.overlay for one in envelopes for _ in one.x], "", "network"),
            Column("message", [one.message for one in envelopes for _ in one.x], "", "what is counted"),
            Column("sort", [one.sort for one in envelopes for _ in one.x], "", "what the keys are"),
            Column("x", joined(one.x for one in envelopes), "", "a rate a minute as captured, or P/(S+P)"),
            Column("least", joined(one.least for one in envelopes), "share", "least of the runs' shares"),
            Column("greatest", joined(one.greatest for one in envelopes), "share", "greatest of the runs' shares"),
            Column("runs", joined((one.x * 0 + one.runs for one in envelopes), int), "runs", "so many curves"),
        ),
    )
