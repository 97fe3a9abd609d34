"""What a page says first."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.page.sections import chapter_of
from analysis.page.summary import COVERAGE, compared, highlights, sentences, told

from .pages import Results, analysis, number, section


def one(**numbers: float):  # type: ignore[no-untyped-def]
    """Return a section with these numbers of trust and traffic."""
    trust = [number(name, value, "share") for name, value in numbers.items() if name.startswith("c")]
    traffic = [number(name, value) for name, value in numbers.items() if not name.startswith("c")]
    parts = (("trust", trust), ("traffic", traffic))
    return section(chapters=tuple(chapter_of(name, "run1", Results(own), [], 5) for name, own in parts))


def plain(parts) -> str:  # type: ignore[no-untyped-def]
    return "".join(part.words or f"<{part.number.name}>" for part in parts if part.words or part.number)


def test_how_sure_comes_first() -> None:
    said = [plain(parts) for parts in sentences(one(capture_rate=0.9, lookups_a_minute=12.0))]
    assert said == [
        "This window captured <capture_rate> of the lookups whose truth is known; rates called corrected are divided "
        "by that.",
        "Users' lookups came at <lookups_a_minute>, as captured.",
    ]


def test_what_was_not_measured_is_said() -> None:
    (parts,) = sentences(one(capture_rate=math.nan))
    assert plain(parts).startswith("What this window missed was not measured")
    assert parts[0].number is not None


def test_a_sentence_with_a_number_that_is_not_told_is_left_out() -> None:
    assert sentences(one(searches_a_minute=1.0, publishes_a_minute=math.nan)) == []


def test_the_corrected_rate_is_shown_where_there_is_one() -> None:
    names = ("lookups_a_minute_corrected", "lookups_a_minute")
    both = one(lookups_a_minute=1.0, lookups_a_minute_corrected=2.0)
    raw = one(lookups_a_minute=1.0, lookups_a_minute_corrected=math.nan)
    assert [told(of, "traffic", names).value for of in (both, raw)] == [2.0, 1.0]  # type: ignore[union-attr]
    assert [number.value for _, number, _ in highlights(both)] == [2.0]
    assert highlights(one(monitored_share=0.5), COVERAGE)[0][0] == "traffic"


def test_runs_are_compared_by_what_any_of_them_tells() -> None:
    columns, rows = compared([one(keys=3.0), one(capture_rate=0.9)])
    assert [column.title for column in columns] == ["Captured", "Keys"]
    assert [[cell and cell.value for _, cell in row] for row in rows] == [[None, 3.0], [0.9, None]]


def test_several_runs_are_summed_up_by_network() -> None:
    network = Results([number(f"{name}_kad", 4.0) for name in ("network_size", "zones", "windows")])
    both = (analysis("a4/6", "kad"), analysis("b0/6", "kad"))
    together = replace(section("all", chapters=(chapter_of("network", "all", network, [], 5),)), runs=both)
    assert [plain(parts) for parts in sentences(together)] == [
        "<network_size_kad> of Kad are reachable at once in the whole network, by what <zones_kad> held in "
        "<windows_kad>."
    ]
