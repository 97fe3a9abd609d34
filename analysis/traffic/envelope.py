"""The figure about several runs at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.page.figures import FigureText
from analysis.page.parts import log_log
from analysis.page.style import SERIES, axes, svg
from analysis.result import Analysis
from analysis.traffic.rates import ccdf, envelope, key_rates


def rate_envelope(analyses: list[Analysis]) -> FigureText | None:
    """Return the CCDF of key rates over several runs, a min-max envelope for each overlay; None if empty.

    As the paper's figure 5; an overlay with one run has a line.
    """
    overlays: dict[str, list[Analysis]] = {}
    for analysis in analyses:
        if (analysis.keys.lookups > 0).any() and analysis.run.running_seconds > 0:
            overlays.setdefault(analysis.run.manifest.overlay, []).append(analysis)
    if not overlays:
        return None
    with axes("envelope") as (figure, ax):
        for (overlay, runs), colour in zip(overlays.items(), SERIES, strict=False):
            x, least, greatest = envelope([ccdf(_rates(one)) for one in runs])
            # One lookup in a short window is a higher rate than in a long one: below it only the long windows have
            # keys at all.
            common = x >= max(60 / one.run.running_seconds for one in runs) * (1 - 1e-9)
            x, least, greatest = x[common], least[common], greatest[common]
            ax.fill_between(x, least, greatest, step="pre", color=colour, alpha=0.25, linewidth=0)
            for values, label in ((least, overlay), (greatest, None)):
                shown = values > 0
                ax.step(x[shown], values[shown], where="pre", color=colour, linewidth=1.2, label=label)
        log_log(ax)
        if len(overlays) > 1:
            ax.legend(loc="lower left")
        return FigureText(
            "envelope",
            "How often keys are looked up, over all runs",
            f"Share of keys seen that were looked up at least so often: the least and the greatest of "
            f"{_counted(overlays)} at each rate, from the lowest rate on that each of them can show (one lookup in the "
            "shortest window). Captured lookups, uncorrected; a longer window sees more rare keys, so bands of windows "
            "of unequal length differ for that alone.",
            svg(figure),
        )


def _rates(analysis: Analysis) -> NDArray[np.float64]:
    return key_rates(analysis.keys.lookups, analysis.run.running_seconds)


def _counted(overlays: dict[str, list[Analysis]]) -> str:
    if len(overlays) == 1:
        return f"{len(next(iter(overlays.values())))} runs"
    counts = [f"{len(runs)} of {overlay}" for overlay, runs in overlays.items()]
    return f"the runs of each network ({', '.join(counts)})"
