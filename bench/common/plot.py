"""Cost against size as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bench.common.outcome import Curve


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draw each curve on log-log axes with n log n through its first point; the file's suffix is the format."""
    import matplotlib  # only who draws needs it

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.hashsalt": "montra", "svg.fonttype": "none"}
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(
        1, len(curves), figsize=(5.2 * len(curves), 4.0), layout="constrained", squeeze=False
    )
    for axis, curve in zip(axes[0], curves, strict=True):
        first = curve.sizes[0] * math.log(curve.sizes[0])
        expected = [curve.costs[0] * n * math.log(n) / first for n in curve.sizes]
        axis.loglog(curve.sizes, expected, color="0.65", linestyle="--", label="n log n, from the first point")
        axis.loglog(curve.sizes, curve.costs, color="tab:blue", marker="o", label="measured (median)")
        axis.set(xlabel=curve.size_name, ylabel=curve.cost_name, title=curve.name)
        axis.set_xticks(curve.sizes, [_short(size) for size in curve.sizes])
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(lambda value, _: _short(value))
        for part in (axis.xaxis, axis.yaxis):
            part.set_minor_locator(ticker.NullLocator())
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def _short(number: float) -> str:
    """Return a number as an axis has room for: 300k, 1M, 0.05."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.3g}"
