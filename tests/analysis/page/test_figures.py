"""Figures: which there are, that they repeat, and that they fit into a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.analyze import OUT, examine
from analysis.given import Given
from analysis.page.figures import figures
from analysis.page.style import number
from analysis.result import Analysis
from analysis.traffic.envelope import rate_envelope

from ..samples import GIVEN, make_run, sample


def analysed(folder: Path) -> Analysis:
    return examine(folder, folder / OUT, GIVEN)


def test_figures_of_the_sample(sample_run: Path) -> None:
    drawn = figures(analysed(sample_run))
    assert [figure.name for figure in drawn] == [
        "rates",
        "key_rates",
        "targets",
        "crawls",
        "copies",
        "ranks",
        "load",
        "clients",
    ]
    for figure in drawn:
        assert ET.fromstring(figure.document).tag == "{http://www.w3.org/2000/svg}svg"
        assert figure.caption.endswith(".")
        assert "<metadata" not in figure.document


def test_figures_are_the_same_each_time(sample_run: Path) -> None:
    first, second = (figures(analysed(sample_run)) for _ in range(2))
    assert first == second


def test_axes_say_units_and_names_of_clients_are_escaped_text(sample_run: Path) -> None:
    by_name = {figure.name: figure.document for figure in figures(analysed(sample_run))}
    assert "minutes since 2026-11-21 15:00:00 UTC" in by_name["rates"]
    assert "lookups of the key a minute, at least" in by_name["key_rates"]
    assert "% of listed nodes" in by_name["crawls"]
    assert "sampling interval" in by_name["crawls"]
    assert "completeness, upper bound" in by_name["crawls"]
    assert "95 %" not in by_name["crawls"]
    assert "% of summed rates" in by_name["load"]
    assert "% of nodes, least loaded first" in by_name["load"]
    assert "&lt;img src=x" in by_name["clients"]
    assert "$\\frac$" in by_name["clients"]
    assert "<img" not in by_name["clients"]


def test_an_empty_run_has_no_figures(empty_run: Path) -> None:
    analysis = examine(empty_run, empty_run / OUT, Given())
    assert figures(analysis) == []
    assert rate_envelope([analysis, analysis]) is None


def test_the_envelope_spans_runs(sample_run: Path, empty_run: Path) -> None:
    both = [analysed(sample_run), analysed(sample_run), analysed(empty_run)]
    figure = rate_envelope(both)
    assert figure is not None
    assert "of 2 runs" in figure.caption
    assert "Share of keys seen" in figure.caption


def test_the_envelope_of_unequal_windows_begins_at_the_lowest_rate_of_the_shortest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[float]] = []
    real = Axes.fill_between

    def spy(ax: Axes, x: NDArray[np.float64], *rest: object, **more: object) -> object:
        drawn.append(x.tolist())
        return real(ax, x, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Axes, "fill_between", spy)
    long, short = sample(), sample()
    long.minutes = 60
    short.losses = long.losses = []
    folders = [make_run(tmp_path / name, contents) for name, contents in (("long", long), ("short", short))]
    assert rate_envelope([analysed(folder) for folder in folders]) is not None
    # Keys with 1 and 4 lookups: in the long window 1/60 and 4/60 a minute, in the short one 0.1 and 0.4.
    assert drawn == [[pytest.approx(0.1), pytest.approx(0.4)]]


def test_an_inlined_figure_has_its_own_ids_and_the_pages_colours(sample_run: Path) -> None:
    figure = figures(analysed(sample_run))[0]
    element = figure.element("run7")
    root = ET.fromstring(element)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "Lookups over time"
    assert "width" not in root.attrib
    assert "viewBox" in root.attrib
    ids = [node.attrib["id"] for node in root.iter() if "id" in node.attrib]
    assert ids
    assert all(one.startswith("run7-rates-") for one in ids)
    links = re.findall(r"(?:href=\"#|url\(#)([^\")]+)", element)
    assert links
    assert set(links) <= set(ids)
    assert "var(--ink)" in element
    assert "var(--s1)" in element
    assert not re.search(r"(fill|stroke): #(?!000000)", element)


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
