"""What templates make of sections: numbers with their traces, tables, figures, the list of contents."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader

from analysis.page import render as rendering
from analysis.page.files import write_figures
from analysis.page.render import render
from analysis.page.sections import Section, chapter_of

from .pages import MAKER, Results, analysis, figure, number, section, table
from .parsed import Page, importable, mark, words

HEAD = '{% from "macros.html.j2" import num, card, cards, tab, fig, figures, fold, note with context %}\n'


def of(template: str, results: Results, drawings: list[Any] | None = None) -> tuple[Section, dict[str, str]]:
    """Return a section whose traffic chapter has this template."""
    chapter = chapter_of("traffic", "run1", results, drawings or [], 5)
    return section(chapters=(chapter,)), {"traffic.html.j2": HEAD + template}


def shown(
    monkeypatch: pytest.MonkeyPatch, template: str, results: Results, drawings: list[Any] | None = None
) -> tuple[Page, dict[str, Any]]:
    one, templates = of(template, results, drawings)
    files = FileSystemLoader(rendering.TEMPLATES)
    monkeypatch.setattr(rendering, "FileSystemLoader", lambda _: ChoiceLoader([DictLoader(templates), files]))
    text, trace = render([one], trace_file="report.json", mark=mark)
    return Page(text), json.loads(trace.document("report.html"))["entries"]


def test_a_number_is_said_with_its_interval_and_leads_to_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results([number("rate", 12.3456, "a minute", 11.23, 13.71)])
    page, entries = shown(monkeypatch, "<p>They came at {{ num(q.rate) }}.</p>", results)
    assert "They came at 12.3 a minute (11.2 to 13.7) ." in words(page.text)
    assert page.untraced == []
    assert entries["run1.traffic.rate"] == {
        "kind": "number",
        "value": 12.3456,
        "low": 11.23,
        "high": 13.71,
        "unit": "a minute",
        "meaning": "what rate means",
        "method": "counted",
        "withheld": "",
        "function": MAKER,
        "inputs": ["lookups"],
        "runs": [{"run": "20261121T150000Z_mainline_a4-6", "manifest_sha256": "ab" * 32}],
        "file": "analysis/analysis.json",
    }
    assert set(page.traces) == set(entries)
    assert all(importable(entry["function"]) for entry in entries.values())


def test_a_number_that_is_not_told_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results([number("rate", math.nan, withheld="nobody measured it")])
    page, entries = shown(monkeypatch, "<p>{{ num(q.rate) }}</p>", results)
    assert "not told: nobody measured it" in words(page.text)
    assert entries["run1.traffic.rate"]["value"] is None


def test_what_a_run_lacks_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "<p>[{{ num(q.no) }}{{ fig(f.no) }}{{ tab(t.no) }}{{ card(q.no, 'none') }}]</p>"
    page, _ = shown(monkeypatch, template, Results())
    assert "[]" in page.text


def test_a_number_that_a_template_prints_bare_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    page, _ = shown(monkeypatch, "<p>{{ q.rate.value }} of 95 %</p>", Results([number("rate", 1234.0)]))
    assert page.untraced == ["1234.0"]


def test_a_table_leaves_out_small_counts_and_carries_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    page, entries = shown(monkeypatch, "{{ tab(t.top_keys, rows=3) }}", Results(rows=[table(rows=4)]))
    text = words(page.text)
    assert "Keys with most lookups key lookups rate a minute requesters a40000000000… 4,936" in text
    assert "a40200000000…" in text
    assert "a40300000000…" not in text.replace("d", "")
    assert [a for a in page.attributes if a[1] == "download"] == [("a", "download", "top_keys.csv")]
    assert (
        "2 row" in entries["run1.traffic.table.top_keys"]["meaning"]
        or "1 row" in entries["run1.traffic.table.top_keys"]["meaning"]
    )


def test_a_long_table_is_folded_with_a_line_that_says_what_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results(rows=[table("long", 30), table("short", 8)])
    page, entries = shown(monkeypatch, "{{ tab(t.long) }}{{ tab(t.short) }}{{ tab(t.long, folded=false) }}", results)
    assert [value for tag, _, value in page.attributes if tag == "details"] == ["fold unprinted", "made"]
    assert "Keys with most lookups table, 29 rows key" in words(page.text)
    assert set(page.traces) == set(entries)
    assert page.untraced == []


def test_what_is_folded_is_on_the_page_and_what_is_empty_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = "{% call fold('None', 'x') %} {% endcall %}"
    template = "{% call fold('More', 'a figure') %}{{ fig(f.rates) }}{% endcall %}" + empty
    page, entries = shown(monkeypatch, template, Results(), [figure("rates")])
    assert page.tags.count("svg") == 1
    assert "More a figure How rates go" in words(page.text)
    assert "None" not in page.text
    assert set(page.traces) == set(entries)


def test_of_a_run_among_others_all_but_its_first_figures_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    one, templates = of("{{ fig(f.rates) }}{{ fig(f.more) }}", Results(), [figure("rates"), figure("more")])
    files = FileSystemLoader(rendering.TEMPLATES)
    monkeypatch.setattr(rendering, "FileSystemLoader", lambda _: ChoiceLoader([DictLoader(templates), files]))
    page = Page(render([one], replace(section("all", chapters=()), title="1 run"), trace_file="x.json")[0])
    assert ("details", "class", "fold whole") in page.attributes
    places = [page.text.index(part) for part in ("How rates go", "All chapters of this run", "How more go")]
    assert places == sorted(places)
    assert page.tags.count("svg") == 2


def test_data_of_figures_leaves_out_small_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawing = replace(figure("rates"), data=table("rates", rows=4))
    one, _ = of("", Results(), [drawing])
    (kept,) = one.figures()
    assert list(kept.data.column("requesters")) == [7, 6, 5]
    assert "1 row of fewer than 5 requesters left out" in kept.data.meaning
    write_figures(tmp_path, one.figures())
    assert len((tmp_path / "rates.csv").read_text().splitlines()) == 1 + 3
    page, _ = shown(monkeypatch, "{{ fig(f.rates) }}", Results(), [drawing])
    assert ("code", "title", "a402" + "00" * 18) in page.attributes
    assert ("code", "title", "a403" + "00" * 18) not in page.attributes


def test_a_figure_that_no_template_places_is_shown_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings = [figure("rates"), figure("wide", wide=True)]
    page, entries = shown(monkeypatch, "{{ fig(f.rates) }}", Results(), drawings)
    assert page.tags.count("svg") == 2
    assert [value for tag, name, value in page.attributes if tag == "figure" and name == "class"] == ["broad"]
    assert {"run1.traffic.figure.rates", "run1.traffic.figure.wide"} <= set(entries)
    assert entries["run1.traffic.figure.rates"]["file"] == "analysis/figures/rates.csv"
    assert len(page.ids) == len(set(page.ids))
    assert page.untraced == []


def test_all_numbers_of_a_chapter_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    results = Results([number("one", 1.0), number("two", 2.0, "nodes", 1.0, 3.0)])
    page, _ = shown(monkeypatch, "<p>Nothing.</p>", results)
    text = words(page.text)
    assert "All numbers of this chapter" in text
    assert "what two means traffic.two counted math.fsum from lookups" in text


def test_a_run_alone_has_chapters_in_its_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    page, _ = shown(monkeypatch, "<p>Nothing.</p>", Results())
    links = [value for tag, name, value in page.attributes if tag == "a" and name == "href"]
    assert links == ["#run1-traffic", "#limits"]
    assert set(links) <= {f"#{one}" for one in page.ids}


def test_runs_are_compared_in_a_table_that_links_to_them() -> None:
    zones = [analysis(zone) for zone in ("a4/6", "b0/6", "c0/6")]
    runs = [section(f"run{i}", chapters=(), of=one) for i, one in enumerate(zones, 1)]
    together = replace(section("all", chapters=()), title="3 runs", runs=tuple(zones))
    text, trace = render(runs, together, trace_file="x.json")
    page = Page(text)
    assert page.tags.count("article") == 3
    assert "3 runs - montra" in page.text
    assert {"#run1", "#run2", "#run3"} <= {value for _, name, value in page.attributes if name == "href"}
    alone, _ = render(runs, together, ["a/report.html", "b/report.html", "c/report.html"], trace_file="x.json")
    page = Page(alone)
    assert page.tags.count("article") == 0
    assert "b/report.html" in {value for _, name, value in page.attributes if name == "href"}
    assert "Each run has a page of its own" in page.text
    assert trace.entries["run2.manifest.zone"]["value"] == "Zone b0/6 of Mainline"


def test_the_same_sections_give_the_same_page() -> None:
    assert render([section()], trace_file="x.json")[0] == render([section()], trace_file="x.json")[0]
