"""The figure of contents: sizes of the files that requesters told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.contents.chapter import contents_of
from analysis.page import words
from analysis.page.drawing import Drawing, drawing
from analysis.page.style import SERIES, axes
from analysis.quantity import made_by
from analysis.table import Column, Table

if TYPE_CHECKING:
    from analysis.result import Analysis

_NAME = "file_sizes"


def figures(analysis: Analysis) -> list[Drawing]:
    """Return the distribution of sizes, if enough files told theirs."""
    contents = analysis.contents
    if not contents.size_powers:
        return []
    first, counts = contents.size_powers[0][0], np.zeros(contents.size_powers[-1][0] - contents.size_powers[0][0] + 1)
    for power, files in contents.size_powers:
        counts[power - first] = files
    edges = 2.0 ** np.arange(first, first + len(counts) + 1)
    shares = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    data = Table(
        _NAME,
        "Sizes of files",
        "One power of two, and the share of files that are smaller; each file once, those without a size left out.",
        made_by(contents_of),
        ("contents", "lookups"),
        (
            Column("size", edges, "bytes", "upper bound"),
            Column("share_smaller", shares, "share", "of the files whose size was said"),
        ),
    )
    with axes(_NAME) as (figure, ax):
        ax.plot(edges, shares, color=SERIES[0], marker="o", markersize=2.5)
        ax.set(xscale="log", xlabel="size of the file, less than (bytes)", ylabel="share of files", ylim=(0, 1.03))
        ax.set_xticks(*_ticks(edges[0], edges[-1]))
        ax.minorticks_off()
        caption = (
            "Sizes of files that were searched or published and whose size requesters said, counted by powers of two. "
            "A file counts once, however often it was asked for."
        )
        return [drawing(_NAME, "Sizes of files", caption, figure, data)]


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Return up to six places between two sizes, at powers of two, and what they are called."""
    first, last = np.ceil(np.log2([max(low, 1.0), max(high, 2.0)]))
    step = max(1.0, np.ceil((last - first) / 5))
    places = (2.0 ** np.arange(first, last + 1, step)).tolist()
    return places, [words.size(place).replace(".0 ", " ") for place in places]
