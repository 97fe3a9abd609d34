"""The page of real runs: what it says, that it loads nothing, that hostile text stays text, that numbers are traced."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from analysis.page.report import page_of, report
from analysis.quantity import INPUTS
from analysis.trust.validation import Validation, read_validation
from zone_store.run.folder import RunError

from ..conftest import HOSTILE, Both
from ..samples import KEY_A, Contents, make_run, sample, shown
from .parsed import Page, entries, importable, mark, words

CHAPTERS = [
    "How far to trust this",
    "Traffic",
    "Popularity of keys",
    "Load imbalance",
    "The network",
    "Contents",
    "Losses",
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about the sample run."""
    return report([make_run(tmp_path_factory.mktemp("runs") / "20261121T150000Z_mainline_a4-6", sample())], None, shown)


def test_the_page_of_the_sample(alone: Path) -> None:
    run = alone.parent
    assert alone == run / "report.html"
    page = Page(alone)
    text = words(page.text)
    assert "Zone a4/6 of Mainline sealed" in text
    assert "2026-11-21 15:00:00 to 2026-11-21 15:10:00 UTC, 10 min ( 1 min of it down); ended: done ." in text
    assert "Run 20261121T150000Z_mainline_a4-6 , made with montra 0.1.0 ( v0-<i> )" in text
    assert "What this window missed was not measured" in text
    assert "datagrams the kernel dropped because a receive buffer was full" in text
    assert "Searched or published? get_peers does not say <which>." in text
    assert re.findall(r"<h2>(.*?)</h2>", alone.read_text()) == [*CHAPTERS, "What it cannot tell"]
    assert ("code", "title", KEY_A.hex()) not in page.attributes  # asked for by fewer than five
    figures = {path.stem for path in (run / "analysis" / "figures").glob("*.svg")}
    assert page.tags.count("figure") == page.tags.count("svg") == len(figures)
    for ending in ("pdf", "csv"):
        assert {path.stem for path in (run / "analysis" / "figures").glob(f"*.{ending}")} == figures
    assert {"rates", "key_rates", "copies", "crawls"} <= figures


def test_every_number_on_the_page_is_traced_to_a_function_that_exists(both: Both, alone: Path) -> None:
    for path in (both.page, alone):
        told = entries(path)
        page = Page(path)
        assert set(page.traces) == set(told)
        assert len(told) > 100
        for name, entry in told.items():
            assert importable(entry["function"]), name
            assert set(entry["inputs"]) <= set(INPUTS), name
            assert entry["runs"], name
            for one in entry["runs"]:
                assert re.fullmatch(r"[0-9a-f]{64}", one["manifest_sha256"]), name
            assert (path.parent / entry["file"]).is_file(), (name, entry["file"])


def test_no_computed_number_stands_outside_a_traced_element(both: Both) -> None:
    assert Page(both.marked(mark)).untraced == []


def test_numbers_of_the_page_are_those_of_the_summary(alone: Path) -> None:
    summary = json.loads((alone.parent / "analysis" / "analysis.json").read_text())
    told = entries(alone)
    for name, quantity in summary["quantities"].items():
        entry = told[f"run1.{name}"]
        assert entry["value"] == quantity["value"]
        assert entry["function"] == quantity["function"]
        assert entry["file"] == "analysis/analysis.json"


def test_the_page_loads_nothing_and_runs_nothing(both: Both) -> None:
    page = Page(both.page)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(page.tags)
    loading = [value for _, name, value in page.attributes if name in ("src", "href", "xlink:href", "srcset", "action")]
    assert all(value.startswith(("#", "data:text/csv;base64,")) for value in loading)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    source = both.page.read_text()
    assert "@import" not in source
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", source))
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s<)]+", source)) <= namespaces


def test_the_page_and_the_files_beside_it_hold_no_address(alone: Path) -> None:
    address = re.compile(r"10\.0\.0\.|127\.0\.0\.|\b6881\b|\b6882\b|167772161")
    assert not address.search(re.sub(r"<svg.*?</svg>", "", alone.read_text(), flags=re.DOTALL))
    assert not address.search(alone.with_suffix(".json").read_text())


def test_hostile_text_is_shown_as_text(both: Both) -> None:
    page = Page(both.page)
    assert not {"script", "img"} & set(page.tags)
    assert HOSTILE in page.text
    assert "<script>name" in page.text  # a loss


def test_an_empty_run_says_so(empty_run: Path) -> None:
    page = Page(report([empty_run]))
    text = words(page.text)
    assert "Nothing was captured in this run." in text
    assert "The ledger is empty" in text
    assert "svg" not in page.tags
    assert re.findall(r"<h2>(.*?)</h2>", (empty_run / "report.html").read_text())[:-1] == CHAPTERS


def test_an_unsealed_run_is_called_partial(tmp_path: Path) -> None:
    text = words(Page(report([make_run(tmp_path / "run", Contents(seal=False))])).text)
    assert "partial: not sealed" in text
    assert "it is still going on, or it ended by a crash" in text


def test_more_than_four_runs_have_a_page_each(empty_run: Path, tmp_path: Path) -> None:
    folders = [empty_run, *(make_run(tmp_path / f"run{i}", Contents()) for i in range(4))]
    path = report(folders, tmp_path / "all.html", shown, workers=1)
    page = Page(path)
    assert page.tags.count("article") == 0
    links = {value for tag, name, value in page.attributes if tag == "a" and name == "href" and value.endswith(".html")}
    assert links == {f"{folder.name}/report.html" for folder in folders}
    assert all((tmp_path / link).is_file() for link in links)
    assert set(page.traces) == set(entries(path))
    assert len(page.ids) == len(set(page.ids))


def test_a_page_about_several_runs_lies_beside_them(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert page_of([one]) == one / "report.html"
    assert page_of([one, two]) == tmp_path / "report.html"


def test_the_same_run_gives_the_same_page(alone: Path, tmp_path: Path) -> None:
    again = report([make_run(tmp_path / alone.parent.name, sample())], given=shown)
    assert again.read_bytes() == alone.read_bytes()
    assert again.with_suffix(".json").read_bytes() == alone.with_suffix(".json").read_bytes()
    for ending in ("svg", "pdf", "csv"):
        for figure in (alone.parent / "analysis" / "figures").glob(f"*.{ending}"):
            assert figure.read_bytes() == (again.parent / "analysis" / "figures" / figure.name).read_bytes()


def test_no_run_is_no_report() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        report([])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        report([tmp_path])


def proportion(hits: int, trials: int, low: float, high: float) -> dict[str, float]:
    return {"hits": hits, "trials": trials, "share": hits / trials, "low": low, "high": high}


def test_validation_is_shown(empty_run: Path) -> None:
    (empty_run / "validation.json").write_text(
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
    path = report([empty_run])
    text = words(Page(path).text)
    assert "This window captured 98.1 % (96.2 to 99.1 %) of the lookups whose truth is known" in text
    assert "Lookups captured 98.1 % (96.2 to 99.1 %) 480" in text
    assert "Observed destination right, of those captured 100 % (50 to 100 %) 4" in text
    assert "with announce" not in text
    assert "lookups of a key not independent 100 % (30 to 100 %) 4" in text
    assert "Lookups that nobody made, of those counted 0.2 % (0.0 to 1.2 %) 472" in text
    assert "wrong observed destination not <i>monitored 2 100.0 % 25.00 % aria<2 2 it <u>was</u> not" in text
    assert "Left out, because they cannot be judged: reached nobody: 3." in text
    assert "Captured in parts 2 <b>" in text
    assert (empty_run / "analysis" / "figures" / "judged.svg").is_file()


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
def test_a_broken_validation_file_is_told(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "validation.json"
    path.write_text(content)
    assert read_validation(path) == Validation(problem=problem)


def test_a_broken_validation_file_is_said_on_the_page(empty_run: Path) -> None:
    (empty_run / "validation.json").write_text("{")
    assert "validation.json could not be read" in words(Page(report([empty_run])).text)


def test_no_validation_file_is_nothing(tmp_path: Path) -> None:
    assert read_validation(tmp_path / "validation.json") == Validation()
