"""Curves of traffic as they are drawn: few points of many, logarithmic axes, rates read as publishers."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.page.parts import in_hours
from analysis.page.style import SERIES, log_ticks, plain_ticks
from analysis.traffic.key_rates import ALL
from analysis.traffic.publishers import Publishers

STYLES = (
    (SERIES[0], "solid"),
    (SERIES[1], (0, (5, 1.5))),
    (SERIES[2], (0, (1.5, 1.2))),
    (SERIES[3], (0, (5, 1.2, 1.2, 1.2))),
)
"""Colour and dashes of the curves of a figure: either tells them apart."""

_MOST_POINTS = 150


def shown_points(places: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.intp]:
    """Return which of many places, above 0 and rising, to draw on a logarithmic axis: ends and even steps between."""
    if len(places) <= _MOST_POINTS:
        return np.arange(len(places))
    wanted = np.geomspace(places[0], places[-1], _MOST_POINTS)
    return np.unique(np.append(np.searchsorted(places, wanted), len(places) - 1).clip(0, len(places) - 1))


def lone(x: NDArray[np.float64]) -> dict[str, Any]:
    """Return how to draw a curve so that a single point is seen, too."""
    return {"marker": "o", "markersize": 3} if len(x) == 1 else {}


def log_log(ax: Axes, label: str, share: str = "share of keys") -> None:
    """Give the axes of a CCDF of rates of keys: both logarithmic, with plain numbers."""
    ax.set(xscale="log", yscale="log", xlabel=label, ylabel=share)
    ax.set_ylim(top=1.3)
    plain_ticks(ax, "x")
    plain_ticks(ax, "y")


def publishers_above(ax: Axes, found: Publishers, sort: str) -> str:
    """Draw an axis that turns rates of publishing into publishers (paper, section V); returns what it shows.

    sort: of the keys drawn; where that is `ALL`, the axis is of the sort that is published most often. Nothing, and "",
    where too little of the interval was watched to tell.
    """
    captured = 1.0 if found.capture is None else found.capture.share
    name = min(found.intervals_s, key=found.intervals_s.__getitem__) if sort == ALL else sort
    interval_s = found.intervals_s[name]
    if not found.told(name):
        return ""
    nodes_above(ax, interval_s / 60 / captured, f"publishing nodes{'' if sort != ALL else f', if it is a {name}'}")
    corrected = "" if found.capture is None else ", corrected by the share captured"
    text = (
        f"The upper axis turns rates into nodes that publish the key at a time{corrected}: rate times the republish "
        f"interval of a {name}, {in_hours(interval_s)}."
    )
    others = [
        f" For a {other} it is {seconds / interval_s:.3g} times as many, being published every {in_hours(seconds)}."
        for other, seconds in found.intervals_s.items()
        if sort == ALL and other != name and found.told(other)
    ]
    return text + "".join(others) + (" Which keys are which is not in the rate." if sort == ALL else "")


def nodes_above(ax: Axes, factor: float, label: str) -> None:
    """Draw an upper axis of rates times a factor."""
    turned = (lambda rate: np.multiply(rate, factor), lambda count: np.divide(count, factor))
    above = ax.secondary_xaxis("top", functions=turned)
    above.set_xlabel(label)
    low, high = ax.get_xlim()
    log_ticks(above.xaxis, low * factor, high * factor)
