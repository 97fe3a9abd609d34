"""Runs of two overlays on one page: the same sections for both, and what each of them does not tell."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyze import analyze
from analysis.network.nodes import NodeClient, Nodes, nodes_of
from analysis.page.report import report
from analysis.traffic.publishers import TOO_SHORT

from .kad_sample import FILE, GIVEN_KAD, WORD, given_of, kad_sample
from .page.test_report import Page, words
from .samples import attachment, make_run, run_of, sample


@pytest.fixture
def kad_run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "20261121T150000Z_kad_a4-6", kad_sample())


def articles(path: Path) -> list[str]:
    return re.findall(r"<article.*?</article>", path.read_text(), re.DOTALL)


def headings(article: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", article)


def test_runs_of_both_overlays_have_the_same_sections(sample_run: Path, kad_run: Path, empty_run: Path) -> None:
    path = report([sample_run, kad_run, empty_run], given=given_of)
    found = [headings(article) for article in articles(path)]
    assert found[0] == found[1] == found[2]
    assert found[0] == [
        "Canaries: what this window captured of its own lookups",
        "Validated on this run",
        "Figures",
        "Keys looked up most",
        "Publishers of keys",
        "What was published and searched",
        "Clients that ask",
        "Clients of the nodes monitored",
        "What was captured",
        "Monitoring",
        "Ledger of losses",
    ]


def test_two_runs_stand_side_by_side_in_rows_they_share(sample_run: Path, kad_run: Path) -> None:
    path = report([sample_run, kad_run], given=given_of)
    page = path.read_text()
    assert '<main class="two">' in page
    spans = re.search(r"main\.two > article \{[^}]*grid-row: 2 / span (\d+)", page)
    assert spans is not None
    for article in articles(path):
        depth, children = 0, 0
        for closing, tag in re.findall(r"<(/?)(header|div|section|details|article)\b", article):
            children += not closing and depth == 1
            depth += -1 if closing else 1
            assert tag != "article" or depth in (0, 1)
        assert children == int(spans[1])
    assert '<main class="two">' not in report([kad_run], given=given_of).read_text()


def test_the_page_of_both_says_what_each_tells(sample_run: Path, kad_run: Path) -> None:
    text = words(Page(report([sample_run, kad_run], given=given_of)).text)
    assert "Network mainline kad" in text
    assert "Lookups 5 13" in text
    assert "Publishes, a minute not told 0.0" in text
    assert "Nodes behind a firewall, UDP / TCP not told 33.3 % / 66.7 %" in text
    assert "Lookups of mainline do not tell publishes from searches" in text
    assert "Queries of kad do not tell their client; nodes of the zone do." in text
    assert "Kad 8 2 66.7 % Kad 9 1 33.3 %" in text
    assert "Behind a firewall for UDP not told" in text
    assert "Behind a firewall for TCP 2 66.7 %" in text
    assert "kad What a key is is not in a request." in text
    assert "2 / 11 searches / publishes of the lookups" in text
    assert "the runs of each network (1 of mainline, 1 of kad)" in text
    assert "publishing nodes, if it is a file (every 5 h)" in text


def test_publishers_of_the_sample(kad_run: Path) -> None:
    found = analyze(kad_run, given=GIVEN_KAD).publishers
    assert [(key.key, key.publishes, key.sort, key.told_by) for key in found.keys] == [
        (FILE, 9, "file", "repeats"),
        (WORD, 2, "", ""),
    ]
    assert found.keys[0].estimates["file"].publishers == pytest.approx(3.0, rel=0.01)
    assert found.keys[1].estimates["keyword"].publishers == pytest.approx(4.0)  # two in half of an interval
    text = words(Page(report([kad_run], given=given_of)).text)
    assert "so they are the least" in text
    assert "6 requesters' repeats were seen" in text
    with (kad_run / "analysis" / "publishers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sort"] for row in rows] == ["file", ""]
    assert float(rows[0]["file_publishers"]) == found.keys[0].estimates["file"].publishers
    summary = json.loads((kad_run / "analysis" / "analysis.json").read_text())
    assert (summary["searches"], summary["publishes"], summary["capture"]) == (2, 11, None)
    assert summary["nodes"]["tcp_firewalled"] == 2
    assert summary["publishers"]["keys"][0]["key"] == FILE.hex()


def test_a_short_window_says_that_it_tells_no_publishers(tmp_path: Path) -> None:
    run = make_run(tmp_path / "20261121T150000Z_kad_a4-6", replace(kad_sample(), minutes=12))
    text = words(Page(report([run], given=given_of)).text)
    assert "How many nodes publish a file is not told: this window shows 4.0 % of its republish interval of 5 h" in text
    assert "How many nodes publish a keyword is not told: this window shows 0.8 %" in text
    assert "Publishers are the nodes" not in text
    assert "publishing nodes, if it is" not in text
    assert "This window is too short to tell from that how many nodes publish a key." in text
    with (run / "analysis" / "publishers.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["file_publishers"], row["file_low"], row["file_high"]) == ("", "", "")
    assert row["file_withheld"] == row["keyword_withheld"] == TOO_SHORT
    summary = json.loads((run / "analysis" / "analysis.json").read_text())
    one = summary["publishers"]["keys"][0]["estimates"]["file"]
    assert (one["publishers"], one["low"], one["high"], one["withheld"]) == (None, None, None, TOO_SHORT)


def test_a_page_with_names_does_not_say_that_it_has_none(kad_run: Path) -> None:
    without = words(Page(report([kad_run], given=given_of)).text)
    assert "hold no addresses, and no names or tags of files" in without
    named = words(Page(report([kad_run], given=lambda _: replace(GIVEN_KAD, names=True))).text)
    assert "hold no addresses" not in named
    assert "analysis/said.parquet , since that was asked for: personal data" in named
    assert (kad_run / "analysis" / "said.parquet").exists()


def test_the_figure_of_rates_names_only_what_it_shows(kad_run: Path) -> None:
    text = words(Page(report([kad_run], given=given_of)).text)
    assert "Users' searches and publishes captured a minute" in text


def test_a_validated_capture_of_publishes_corrects_publishers(kad_run: Path) -> None:
    share = {"share": 0.9, "low": 0.85, "high": 0.94, "trials": 200}
    (kad_run / "validation.json").write_text(
        json.dumps({"capture": share | {"share": 0.8}, "capture_announces": share})
    )
    analysis = analyze(kad_run, given=GIVEN_KAD)
    one = analysis.publishers.keys[0].estimates["file"]
    assert one.publishers == pytest.approx(3 / 0.9, rel=0.01)
    assert one.low < 3 < one.high
    assert analysis.capture is not None
    assert analysis.corrected_per_minute[0] == pytest.approx(analysis.lookups_per_minute / 0.8)
    text = words(Page(report([kad_run], given=given_of)).text)
    assert "divided by the 90.0 % of lookups captured (comparison with the truth: 85.0 % to 94.0 %)" in text
    assert "This window captured 80.0 %" in text


def test_mainline_tells_no_publishes(sample_run: Path) -> None:
    summary = analyze(sample_run).as_dict()
    assert (summary["searches"], summary["publishes"], summary["publishers"]["keys"]) == (None, None, [])


def test_a_node_counts_once_as_it_last_said() -> None:
    first, again, other = (attachment(n, node) for n, node in ((1, b"a"), (2, b"a"), (3, b"b")))
    first.version, first.status = 7, 3
    again.version, again.accepted_ns = 8, first.accepted_ns + 1
    other.version, other.status = 8, 1
    run = replace(run_of(sample()), attachments=(first, again, other))
    assert nodes_of(run, str, tells_reach=True) == Nodes(2, [NodeClient("8", 2, 1.0)], 1, 0)
    assert nodes_of(run, str, tells_reach=False) == Nodes(2, [NodeClient("8", 2, 1.0)], None, None)
    assert nodes_of(replace(run, attachments=()), str, tells_reach=True) == Nodes(0, [], 0, 0)
