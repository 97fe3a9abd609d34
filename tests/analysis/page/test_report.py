"""The page: what it says, that it loads nothing, and that hostile text stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.page.report import report
from analysis.trust.validation import Validation, read_validation
from zone_store.captures import Loss
from zone_store.run.folder import RunError

from ..samples import KEY_A, at, make_run, sample, shown

EMPTY_TAGS = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """All of a page's tags, texts and attributes; checks that tags close in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in EMPTY_TAGS:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data + " "


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_page_of_the_sample(sample_run: Path) -> None:
    path = report([sample_run], given=shown)
    assert path == sample_run / "report.html"
    page = Page(path)
    text = words(page.text)
    assert "Zone a4/6 of mainline sealed" in text
    assert "2026-11-21 15:00:00 to 2026-11-21 15:10:00 UTC, 10 min (1 min of it down); ended: done" in text
    assert "Run 20261121T150000Z_mainline_a4-6 , montra 0.1.0 (v0-<i>)" in text
    assert "5 lookups" in text
    assert "95.0 % crawl completeness, at most share of established, listed nodes; least 80.0 %, 3 crawls" in text
    assert "0.6 captured a minute of 9 min of running time, raw; maintenance left out" in text
    assert "Completeness is an upper bound" in text
    assert "1.40 monitors a lookup" in text
    assert "80.0 % ended at the nearest node" in text
    assert "datagrams the kernel dropped because a receive buffer was full" in text
    assert "Searched or published? get_peers does not say <which>." in text
    assert page.tags.count("svg") == 8
    assert ("code", "title", KEY_A.hex()) in page.attributes
    assert f"{KEY_A.hex()[:12]}…" in text
    assert "No comparison with the truth is beside this run." in text
    assert "Lookups of mainline do not tell publishes from searches" in text
    assert sorted(p.name for p in (sample_run / "analysis" / "figures").iterdir()) == [
        "clients.svg",
        "copies.svg",
        "crawls.svg",
        "key_rates.svg",
        "load.svg",
        "ranks.svg",
        "rates.svg",
        "targets.svg",
    ]


def test_the_page_loads_nothing_and_runs_nothing(sample_run: Path) -> None:
    path = report([sample_run], given=shown)
    page = Page(path)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(page.tags)
    loading = [value for _, name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "action")]
    assert all(value.startswith("#") for value in loading)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    source = path.read_text()
    assert "@import" not in source
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", source))
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s<)]+", source)) <= namespaces


def test_the_page_holds_no_address(sample_run: Path) -> None:
    source = report([sample_run], given=shown).read_text()
    assert not re.search(r"(10\.0\.0\.|127\.0\.0\.|6881|6882|167772161)", source)


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    contents = sample()
    contents.exit = '</style><script>alert("exit")</script>'
    contents.losses = [Loss("<img src=x onerror=alert(1)>", at(0), at(1), 1)]
    folder = make_run(tmp_path / "20261121T150000Z_<b>run", contents)
    page = Page(report([folder], given=shown))
    assert "b" in page.tags  # the page's own
    assert not {"script", "img", "i"} & set(page.tags)
    assert '<img src=x onerror="alert(1)">' in page.text  # the client's name
    assert "<img src=x onerror=alert(1)>" in page.text  # the loss
    assert '</style><script>alert("exit")</script>' in words(page.text)


def test_an_empty_run_says_so(empty_run: Path) -> None:
    page = Page(report([empty_run]))
    text = words(page.text)
    assert "Nothing was captured in this run." in text
    assert "0 lookups" in text
    assert "unknown crawl completeness, at most no estimate from 0 crawls" in text
    assert "The ledger is empty" in text
    assert "svg" not in page.tags


def test_an_unsealed_run_is_called_partial(tmp_path: Path) -> None:
    contents = sample()
    contents.seal = False
    text = words(Page(report([make_run(tmp_path / "run", contents)])).text)
    assert "partial: not sealed" in text
    assert "it is still going on, or it ended by a crash" in text


def test_several_runs_are_on_one_page(sample_run: Path, empty_run: Path, tmp_path: Path) -> None:
    path = report([sample_run, empty_run, sample_run], tmp_path / "all.html", shown)
    assert path == tmp_path / "all.html"
    page = Page(path)
    assert "3 monitoring runs" in words(page.text)
    assert page.tags.count("article") == 3
    assert page.tags.count("svg") == 17
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for tag, name, value in page.attributes if tag == "a" and name == "href"} == {
        "#run1",
        "#run2",
        "#run3",
    }


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    pages = [report([make_run(tmp_path / name / "run", sample())], given=shown).read_bytes() for name in "ab"]
    assert pages[0] == pages[1]


def test_no_run_is_no_report() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        report([])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        report([tmp_path])


def proportion(hits: int, trials: int, low: float, high: float) -> dict[str, float]:
    return {"hits": hits, "trials": trials, "share": hits / trials, "low": low, "high": high}


def test_validation_is_shown(sample_run: Path) -> None:
    (sample_run / "validation.json").write_text(
        json.dumps(
            {
                "capture": proportion(471, 480, 0.962, 0.991),
                "capture_announces": {"hits": 0, "trials": 0, "share": None, "low": 0.0, "high": 1.0},
                "destination": proportion(4, 4, 0.5, 1),
                "causes": [
                    {
                        "what": "destination",
                        "cause": "not_<i>monitored",
                        "count": 2,
                        "share": 1.0,
                        "of_all": 0.25,
                        "meaning": "it <u>was</u> not",
                        "by_client": {"aria<2": 2},
                    },
                    {"what": "destination"},
                    7,
                ],
                "destination_by_key": proportion(4, 4, 0.3, 1),
                "unexplained": proportion(1, 472, 0.0, 0.012),
                "excluded": {"reached_nobody": 3, "outside_zone": 0},
                "copies": {"mean": 7.5},
                "facts": [["Captured in parts", "2 <b>"], ["odd"], 7],
            }
        )
    )
    text = words(Page(report([sample_run])).text)
    assert "Lookups captured 98.1 % 96.2 % to 99.1 % 480" in text
    assert "Observed destination right, of those captured 100.0 % 50.0 % to 100.0 % 4 (few)" in text
    assert "with announce" not in text
    assert "lookups of a key not independent 100.0 % 30.0 % to 100.0 % 4 (few)" in text
    assert "Lookups that nobody made, of those counted 0.2 % 0.0 % to 1.2 % 472" in text
    assert "wrong observed destination not <i>monitored 2 100.0 % 25.00 % aria<2 2 it <u>was</u> not" in text
    assert "Left out, because they cannot be judged: reached nobody: 3." in text
    assert "Captured in parts 2 <b>" in text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "validation.json could not be read"),
        ("[1]", "validation.json holds no share with an interval"),
        (
            '{"capture": {"share": NaN, "low": 0, "high": 1, "trials": 3}}',
            "validation.json holds no share with an interval",
        ),
        (
            '{"capture": {"share": "1", "low": 0, "high": 1}, "excluded": 7}',
            "validation.json holds no share with an interval",
        ),
    ],
)
def test_a_broken_validation_file_is_said(sample_run: Path, content: str, problem: str) -> None:
    path = sample_run / "validation.json"
    path.write_text(content)
    assert read_validation(path) == Validation(problem=problem)
    assert problem in words(Page(report([sample_run])).text)


def test_no_validation_file_is_nothing(tmp_path: Path) -> None:
    assert read_validation(tmp_path / "validation.json") == Validation()
