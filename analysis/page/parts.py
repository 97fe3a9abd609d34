"""Parts that figures of several chapters share: time axes, logarithmic axes, legends, words."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.load import NANOS, Run
from analysis.page.style import plain_ticks

_ABOVE = "above"
_MARGIN = 6
"""Points that a layout leaves beside a panel."""


def legend_above(ax: Axes, columns: int = 4) -> None:
    """Put the legend above the axes, where no line is, in so many columns or, when all is drawn, as many as fit."""
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.2, handlelength=1.4
    )
    legend.set_label(_ABOVE)


def fit(figure: Figure) -> None:
    """Break labels that are longer than their axis, and give legends above axes no more columns than fit.

    Call it within `style.axes`, when all is drawn.
    """
    for ax in figure.axes:
        place = ax.get_subplotspec()
        if place is None:
            continue
        rows, columns = place.get_gridspec().get_geometry()
        left, below = ax.yaxis.get_tightbbox(), ax.xaxis.get_tightbbox()
        wide = figure.bbox.width / columns - (left.width if left else 0) - _MARGIN
        high = figure.bbox.height / rows - (below.height if below else 0) - _MARGIN
        high -= _fit_legend(ax, wide)
        ax.set_xlabel(_broken(ax.get_xlabel(), ax.xaxis.label.get_window_extent().width, wide))
        ax.set_ylabel(_broken(ax.get_ylabel(), ax.yaxis.label.get_window_extent().height, high))


def _fit_legend(ax: Axes, wide: float) -> float:
    """Make a legend above axes no wider than that; returns its height."""
    for columns in (3, 2, 1, 0):
        legend = ax.get_legend()
        if legend is None or legend.get_label() != _ABOVE:
            return 0.0
        extent = legend.get_window_extent()
        if extent.width <= wide or not columns:
            return float(extent.height)
        legend_above(ax, columns)
    return 0.0


def _broken(label: str, long: float, room: float) -> str:
    """Return a label that is so long in lines that are not longer than the room."""
    return label if long <= room else textwrap.fill(label, max(8, int(len(label) * room / long)))


class Clock:
    """A time axis: time since the run's start, in the unit that fits its length."""

    def __init__(self, run: Run) -> None:
        self._start_ns, self._end_ns = run.start_ns, max(run.end_ns, run.start_ns + NANOS)
        for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1)):
            if run.seconds >= 2 * size or size == 1:
                self._unit, self._size_ns = unit, size * NANOS
                break

    def __call__(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return times as places on the axis."""
        return (times_ns - self._start_ns) / self._size_ns

    def label(self, ax: Axes) -> None:
        """Make the x axis of `ax` this one."""
        start = datetime.fromtimestamp(self._start_ns // NANOS, UTC)
        seconds = "" if self._unit in ("days", "hours") else f"{start::%S}"
        ax.set_xlabel(f"{self._unit} since {start:%Y-%m-%d %H:%M}{seconds} UTC")
        ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 3, 5, 6, 10]))
        ax.grid(visible=False, axis="x")
        left, right = self(np.array([self._start_ns, self._end_ns])).tolist()
        ax.set_xlim(left, right)
        plain_ticks(ax, "y")


def broken(times: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return a line with NaN put in where the time between two points is far longer than usual."""
    steps = np.diff(times)
    if not len(steps):
        return times, values
    gaps = np.flatnonzero(steps > 3 * np.median(steps)) + 1
    return np.insert(times, gaps, times[gaps - 1] + 1), np.insert(values, gaps, np.nan)


def listed(names: list[str]) -> str:
    """Return names as a list in words."""
    plain = [name.replace("_", " ") for name in names]
    return " and ".join(part for part in (", ".join(plain[:-1]), plain[-1]) if part)


def in_hours(seconds: float) -> str:
    """Return a republish interval as people say it."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def width(seconds: int) -> str:
    """Return the width of a time bin as people say it."""
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
