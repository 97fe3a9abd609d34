"""Runs of two overlays on one page: the same chapters for both, and what each of them does not tell."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyze import analyze
from analysis.page.articles import article
from analysis.page.render import render
from analysis.traffic.publishers import TOO_SHORT

from .conftest import Both
from .kad_sample import FILE, GIVEN_KAD, WORD, kad_sample
from .page.parsed import Page, words
from .samples import make_run


@pytest.fixture
def kad_run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "20261121T150000Z_kad_a4-6", kad_sample())


def articles(path: Path) -> list[str]:
    return re.findall(r"<article.*?</article>", path.read_text(), re.DOTALL)


def headings(article: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", article)


def test_runs_of_both_overlays_have_the_same_chapters(both: Both) -> None:
    found = [headings(article) for article in articles(both.page)]
    assert found[0] == found[1]
    assert found[0] == [
        "All chapters of this run",  # folded
        "How far to trust this",
        "Traffic",
        "Popularity of keys",
        "Load imbalance",
        "The network",
        "Contents",
        "Losses",
    ]


def test_two_runs_stand_side_by_side_in_rows_they_share(both: Both) -> None:
    page = both.page.read_text()
    assert '<main class="two">' in page
    spans = re.search(r"grid-row: 2 / span (\d+)", page)
    assert spans is not None
    for one in articles(both.page):
        depth, children = 0, 0
        for closing, tag in re.findall(r"<(/?)(header|div|section|details|article)\b", one):
            children += not closing and depth == 1
            depth += -1 if closing else 1
            assert tag != "article" or depth in (0, 1)
        assert children == int(spans[1])


def test_the_page_of_both_says_what_each_tells(both: Both) -> None:
    text = words(Page(both.page).text)
    assert "2 runs of Kad and Mainline" in text
    assert "Lookups of this network do not tell what they look up" in text
    assert "Kad What a key is is not in a request." in text
    assert "Searches came at 0.003 a minute" in text
    assert text.index("The runs Run Start") < text.rindex("How far to trust this")


def test_publishers_of_the_sample(kad_run: Path) -> None:
    found = analyze(kad_run, given=GIVEN_KAD).traffic.publishers
    assert [(key.key, key.publishes, key.sort, key.told_by) for key in found.keys] == [
        (FILE, 9, "file", "repeats"),
        (WORD, 2, "", ""),
    ]
    assert found.keys[0].estimates["file"].publishers == pytest.approx(3.0, rel=0.01)
    assert found.keys[1].estimates["keyword"].publishers == pytest.approx(4.0)  # two in half of an interval


def test_a_short_window_says_that_it_tells_no_publishers(tmp_path: Path) -> None:
    run = make_run(tmp_path / "20261121T150000Z_kad_a4-6", replace(kad_sample(), minutes=12))
    found = analyze(run, given=replace(GIVEN_KAD, least_people=1)).traffic.publishers
    assert {one.withheld for key in found.keys for one in key.estimates.values()} == {TOO_SHORT}
    with (run / "analysis" / "publishers.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["file_publishers"], row["file_publishers_low"], row["file_publishers_high"]) == ("", "", "")


def test_a_page_with_names_does_not_say_that_it_has_none(kad_run: Path, both: Both) -> None:
    assert "hold no addresses, and no names or tags of files" in words(Page(both.page).text)
    analysis = analyze(kad_run, given=replace(GIVEN_KAD, names=True))
    named = words(Page(render([article("run1", analysis, drawn=False)], trace_file="report.json")[0]).text)
    assert "hold no addresses" not in named
    assert "analysis/said.parquet , since that was asked for: personal data" in named
    assert (kad_run / "analysis" / "said.parquet").exists()


def test_a_validated_capture_of_publishes_corrects_publishers(kad_run: Path) -> None:
    share = {"share": 0.9, "low": 0.85, "high": 0.94, "trials": 200}
    (kad_run / "validation.json").write_text(
        json.dumps({"capture": share | {"share": 0.8}, "capture_announces": share})
    )
    analysis = analyze(kad_run, given=GIVEN_KAD)
    one = analysis.traffic.publishers.keys[0].estimates["file"]
    assert one.publishers == pytest.approx(3 / 0.9, rel=0.01)
    assert one.low < 3 < one.high
    told = analysis.quantities()
    assert told["trust.capture_rate"].value == 0.8
    raw, corrected = told["traffic.lookups_a_minute"], told["traffic.lookups_a_minute_corrected"]
    assert corrected.value == pytest.approx(raw.value / 0.8)


def test_what_is_told_of_a_run_is_as_its_overlay_tells(both: Both) -> None:
    mainline, kad = (json.loads((run / "analysis" / "analysis.json").read_text())["quantities"] for run in both.runs)
    assert "traffic.publishes" not in mainline
    assert kad["traffic.publishes"]["value"] == 11
    assert kad["traffic.searches"]["value"] == 2
