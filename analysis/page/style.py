"""How figures look: one style for all, drawn in named colours that a page can turn into light and dark.

Each colour is drawn as one hex value used for nothing else. A file of its own keeps those, which are the light theme;
in a page each becomes a CSS variable, so that the page's theme colours the figure too.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

INK, MUTED, GRID, PAPER = "#1d2530", "#5a6575", "#dde2e8", "#fffffe"
SERIES = ("#1f6fb2", "#c8571b", "#2e8b57", "#7d4fa8")
"""Colours of what is told apart in a figure; tell a fourth by its line as well, as some readers see fewer colours."""

VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "card"} | {c: f"s{i + 1}" for i, c in enumerate(SERIES)}

COLUMN = 3.4
"""Width of a figure in inches: that of a column of a paper."""

_SIZE = (COLUMN, 2.3)
_RC = {
    "svg.fonttype": "none",  # text stays text: searchable, and in the page's colours
    "pdf.fonttype": 42,  # outlines that journals accept, and text that can be copied
    "text.parse_math": False,  # names of clients are shown, never interpreted
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.3,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.solid_joinstyle": "round",
}

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextmanager
def axes(name: str, height: float = 1.0, width: float = 1.0) -> Iterator[tuple[Figure, Axes]]:
    """Give a figure with one pair of axes in the style; `name` seeds its SVG's IDs, the others scale its usual size."""
    with panels(name, 1, 1, height, width) as (figure, grid):
        yield figure, grid[0][0]


@contextmanager
def panels(
    name: str, rows: int, columns: int, height: float = 1.0, width: float = 1.0, *, share_x: bool = False
) -> Iterator[tuple[Figure, list[list[Axes]]]]:
    """Give a figure of rows x columns axes in the style: `axes[row][column]`.

    Two columns want width=2.05, which is the width of a page with two columns; share_x: panels of a column have one x
    axis; the rest is as in `axes`.
    """
    with mpl.rc_context(_RC | {"svg.hashsalt": name}):
        figure = Figure(figsize=(_SIZE[0] * width, _SIZE[1] * height), dpi=72, layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, sharex="col" if share_x else False).tolist()


def svg(figure: Figure) -> str:
    """Return a figure as an SVG document; call it within `axes`. The same figure gives the same text."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata=_NO_METADATA)
    return text.getvalue()


def pdf(figure: Figure) -> bytes:
    """Return a figure as a PDF for print; call it within `axes`. The same figure gives the same bytes."""
    data = io.BytesIO()
    figure.savefig(data, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return data.getvalue()


def inline(document: str, name: str, label: str) -> str:
    """Return an SVG document as an element of an HTML page.

    IDs get `name` in front, as one page holds many; colours become CSS variables; the size is the page's to choose;
    `label` is what screen readers say.
    """
    element = document[document.index("<svg") :]
    element = re.sub(r"\bid=\"", f'id="{name}-', element)
    element = re.sub(r"(xlink:href=\"#|url\(#)", rf"\g<1>{name}-", element)
    for colour, variable in VARIABLES.items():
        element = element.replace(colour, f"var(--{variable})")
    opening, rest = element.split(">", 1)
    opening = re.sub(r" (width|height)=\"[^\"]*\"", "", opening)
    return f'{opening} role="img" aria-label="{escape(label)}">{rest}'


def number(value: float) -> str:
    """Return a number as a tick says it: 0.001, 10, 10k, 5M."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= factor:
            scale = 1e3 if unit == "k" else factor
            return f"{value / scale:g}{unit}"
    return f"{value:g}" if abs(value) >= 1e-4 or not value else f"{value:.0e}"


def plain_ticks(axis_of: Axes, which: str) -> None:
    """Label an axis ("x" or "y") with plain numbers; on a log axis at powers of ten, in a narrow range more often."""
    axis, (low, high) = (axis_of.xaxis, axis_of.get_xlim()) if which == "x" else (axis_of.yaxis, axis_of.get_ylim())
    if axis.get_scale() == "log":
        log_ticks(axis, low, high)
    else:
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Mark a logarithmic axis of this range at powers of ten, in plain numbers; a narrow range more often."""
    powers = math.floor(math.log10(high)) - math.ceil(math.log10(low)) + 1
    few = high <= 30 * low or powers < 2
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=8))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def is_wide(document: str) -> bool:
    """Tell whether an SVG document is wider than a column, so that a page gives it a row of its own."""
    found = re.search(r"viewBox=\"0 0 ([0-9.]+) ", document)
    return found is not None and float(found[1]) > 72 * COLUMN * 1.3
