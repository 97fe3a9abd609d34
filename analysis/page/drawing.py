"""A figure as it is passed about: words, picture for the page, picture for paper, and the numbers drawn."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis.page.parts import fit
from analysis.page.style import inline, pdf, svg
from analysis.table import Table


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: its file name without ending, heading, caption in plain words, SVG document, PDF, and what is drawn."""

    name: str
    title: str
    caption: str
    document: str
    paper: bytes
    data: Table

    def element(self, prefix: str) -> str:
        """Return the SVG as an element of a page; `prefix` keeps its IDs apart from those of other runs' figures."""
        return inline(self.document, f"{prefix}-{self.name}", self.title)


def drawing(name: str, title: str, caption: str, figure: Figure, data: Table) -> Drawing:
    """Return a figure that was drawn within `style.axes`; call it there.

    Labels too long for their axis get more lines.
    """
    fit(figure)
    document = svg(figure)
    figure.set_layout_engine("none")  # as it is laid out now, which takes long
    return Drawing(name, title, caption, document, pdf(figure), data)
