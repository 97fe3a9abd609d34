"""Figures: one style for page and print, the same each time, and nothing in them that would break a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from analysis.page.drawing import drawing
from analysis.page.files import write_figures
from analysis.page.parts import fit, legend_above
from analysis.page.style import COLUMN, SERIES, VARIABLES, axes, inline, is_wide, number, panels, svg

from .pages import figure, table


def test_a_figure_is_as_wide_as_a_column_of_a_paper() -> None:
    one = figure("rates")
    assert f'width="{72 * COLUMN:g}pt"' in one.document
    assert not is_wide(one.document)
    assert is_wide(figure("wide", wide=True).document)
    assert one.paper.startswith(b"%PDF")


def test_the_same_figure_gives_the_same_bytes() -> None:
    first, second = figure("rates"), figure("rates")
    assert first.document == second.document
    assert first.paper == second.paper


def test_figures_are_written_for_latex_with_their_data(tmp_path: Path) -> None:
    (tmp_path / "old.svg").write_text("of an earlier page")
    write_figures(tmp_path, [figure("rates"), figure("x")])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["rates.csv", "rates.pdf", "rates.svg", "x.csv", "x.pdf", "x.svg"]
    assert (tmp_path / "rates.csv").read_text().splitlines()[0] == "time,rate"


def test_an_inlined_figure_has_its_own_ids_and_the_pages_colours() -> None:
    element = figure("rates").element("run7")
    root = ET.fromstring(element)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "How rates go"
    assert "width" not in root.attrib
    assert "viewBox" in root.attrib
    ids = [node.attrib["id"] for node in root.iter() if "id" in node.attrib]
    assert ids
    assert all(one.startswith("run7-rates-") for one in ids)
    links = re.findall(r"(?:href=\"#|url\(#)([^\")]+)", element)
    assert links
    assert set(links) <= set(ids)
    assert "var(--ink)" in element
    assert "var(--s4)" in element
    assert not re.search(r"(fill|stroke): #(?!000000)", element)
    assert inline(figure("rates").document, "run7-rates", "How rates go") == element


def test_each_colour_of_a_series_is_a_variable_of_its_own() -> None:
    assert [VARIABLES[colour] for colour in SERIES] == ["s1", "s2", "s3", "s4"]
    assert len(set(VARIABLES.values())) == len(VARIABLES)


def test_names_of_strangers_in_a_figure_are_escaped_text() -> None:
    with axes("hostile") as (drawn, ax):
        ax.plot([1, 2], [1, 2], label='<img src=x onerror="alert(1)">$\\frac$')
        legend_above(ax)
        document = drawing("hostile", "t", "c", drawn, table()).document
    assert "&lt;img src=x" in document
    assert "$\\frac$" in document
    assert "<img" not in document


def test_a_label_longer_than_its_axis_gets_more_lines() -> None:
    with axes("long") as (drawn, ax):
        ax.plot([1, 2], [1, 2])
        label = "share of the keys of unknown sort, at most so many of them"
        ax.set(xlabel="short", ylabel=label)
        document = drawing("long", "t", "c", drawn, table()).document
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", document)
    assert "short" in texts
    assert label not in texts
    assert label.startswith(next(text for text in texts if text.startswith("share of the keys")))


@pytest.mark.parametrize(
    ("labels", "columns"), [(("a", "b", "c"), 3), (("a long label of a line, of many words",) * 3, 1)]
)
def test_a_legend_has_as_many_columns_as_there_is_room_for(labels: tuple[str, ...], columns: int) -> None:
    with axes("legend") as (drawn, ax):
        for i, label in enumerate(labels):
            ax.plot([0, 1], [i, i], label=label)
        legend_above(ax)
        fit(drawn)
        drawn.draw_without_rendering()
        lefts = {round(text.get_window_extent().x0) for text in ax.get_legend().get_texts()}
    assert len(lefts) == columns


def test_a_legend_beside_long_names_stays_within_the_figure() -> None:
    with axes("beside") as (drawn, ax):
        ax.set_yticks([0, 1], ["3c/8, 22 Nov 09:00", "a4/8, 22 Nov 09:00"])
        for label in ("rising", "new", "dying", "gone"):
            ax.barh([0, 1], [1, 2], label=label)
        legend_above(ax)
        fit(drawn)
        drawn.draw_without_rendering()
        assert ax.get_legend().get_window_extent().x1 <= drawn.bbox.x1


def test_panels_share_a_figure() -> None:
    with panels("four", 2, 2, height=1.8, width=2.05) as (drawn, grid):
        assert [len(row) for row in grid] == [2, 2]
        for ax in np.ravel(np.array(grid, object)):
            ax.plot([0, 1], [0, 1])
        assert svg(drawn).count('id="axes_') == 4


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.001, "0.001"),
        (0.00001, "1e-05"),
        (12, "12"),
        (9999, "9999"),
        (20000, "20k"),
        (5e6, "5M"),
        (-2e9, "-2G"),
    ],
)
def test_ticks_are_plain_numbers(value: float, text: str) -> None:
    assert number(value) == text
