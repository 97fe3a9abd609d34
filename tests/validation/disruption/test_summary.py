"""Medians, ratios and verdicts, and the tables made of them."""

import math

import pytest

from montra.validation.disruption.measures import Search
from montra.validation.disruption.report import as_csv, delays, efforts, stray_table
from montra.validation.disruption.strays import Strays
from montra.validation.disruption.summary import NONE, Spread, ratio, rows, spread

WANTED = frozenset((i, 6881) for i in range(8))


def search(first_announce_s: float | None, missing: int = 0) -> Search:
    displaced = frozenset(sorted(WANTED)[:missing])
    return Search(first_announce_s, 0.5, WANTED - displaced, displaced, 0, 16, 8, 24, 1, 0.01)


def test_spread_of_none_one_and_many() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert spread([1.0, math.inf, math.inf]) == Spread(math.inf, 1.0, math.inf)
    assert math.isnan(spread([]).median)


def test_times_below_the_resolution_are_equal() -> None:
    assert ratio(0.09, 0.001) == 1.0
    assert ratio(0.2, 0.001) == pytest.approx(2.0)
    assert ratio(12.0, 10.0) == pytest.approx(1.2)
    assert math.isinf(ratio(math.inf, 10.0))
    assert math.isnan(ratio(1.0, math.inf))
    assert math.isnan(ratio(1.0, math.nan))


def test_rows_are_judged_beside_no_monitors() -> None:
    found = {
        ("aria2", "paper"): [search(20.0), search(19.0), search(None)],
        ("aria2", NONE): [search(0.01), search(0.02), search(0.03)],
        ("aria2", "least"): [search(0.05), search(0.2), search(0.01)],
        ("aria2", "once"): [search(0.01, missing=1), search(0.01), search(0.01)],
    }
    made = {row.policy: row for row in rows(found, {"aria2": 8})}
    assert list(made) == ["paper", NONE, "least", "once"]
    assert made["paper"].ratio == pytest.approx(200.0)
    assert (made["paper"].silent, made["paper"].holds) == (1, False)
    assert (made[NONE].ratio, made[NONE].displaced, made[NONE].wanted) == (1.0, 0, 24)
    assert (made["least"].ratio, made["least"].holds) == (1.0, True)
    assert (made["once"].ratio, made["once"].displaced, made["once"].holds) == (1.0, 1, False)


def test_what_is_displaced_without_monitors_is_not_their_fault() -> None:
    found = {("aria2", NONE): [search(0.0, 1)] * 4, ("aria2", "least"): [search(0.0, 1)] * 3}
    assert rows(found, {"aria2": 8})[1].holds
    assert math.isnan(rows({("aria2", "least"): [search(0.0)]}, {"aria2": 8})[0].ratio)


def test_tables_as_text() -> None:
    found = {("rtorrent", NONE): [search(0.0)], ("rtorrent", "paper"): [search(None, 3), search(45.25, 0)]}
    made = rows(found, {"rtorrent": 3})
    assert delays(made) == [
        ("Client", "Replies", "First announce (s)", "Ratio", "Displaced", "Holds"),
        ("rtorrent", "none", "0.00", "1.0", "0 of 3", ""),
        ("rtorrent", "paper", "never (45.25-never)", "never", "3 of 6", "no"),
    ]
    assert efforts(made)[2] == ("rtorrent", "paper", "6.5 (5-8)", "0", "0.5", "1", "24", "8")
    assert stray_table({"paper": Strays({"aria2": 2}, 3, 12.4, 1)})[1] == ("paper", "aria2 2", "3", "1", "12")
    lines = as_csv(made).splitlines()
    assert lines[0].startswith("client,policy,trials,silent,first_announce_s,first_announce_s_least,")
    assert lines[2].startswith("rtorrent,paper,2,1,inf,45.25,inf,inf,6.5,")
    assert as_csv([]) == ""
