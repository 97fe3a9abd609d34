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
    matplotlib.rcParams["svg.hashsalt"] = "montra"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(curves), figsize=(5.2 * len(curves), 4.0), layout="constrained", squeeze=False
    )
    for axis, curve in zip(axes[0], curves, strict=True):
        first = curve.sizes[0] * math.log(curve.sizes[0])
        expected = [curve.costs[0] * n * math.log(n) / first for n in curve.sizes]
        axis.loglog(curve.sizes, expected, color="0.65", linestyle="--", label="n log n, from the first point")
        axis.loglog(curve.sizes, curve.costs, color="tab:blue", marker="o", label="measured (median)")
        axis.set(xlabel=curve.size_name, ylabel=curve.cost_name, title=curve.name)
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
