"""Traffic of several runs: envelopes, and what the paper says beside."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from analysis.traffic.balance import Balance, Once
from analysis.traffic.envelope import of_balances, of_rates
from analysis.traffic.key_rates import KeyRates
from analysis.traffic.over import OverTraffic, over

from .worlds import Analysed, database, kad_run, rows, traffic, window


def rates(counts: list[int], keys: list[int], seconds: float) -> KeyRates:
    return KeyRates("search", "file", np.array(counts), np.array(keys), seconds)


@pytest.fixture(scope="module")
def four() -> OverTraffic:
    runs = [kad_run(n, zone) for n, zone in ((1, "a4/8"), (2, "3c/8"), (3, "7e/8"), (4, "a4/8"))]
    found = over(runs)
    assert found is not None
    return found


def test_an_envelope_is_the_least_and_greatest_at_every_rate() -> None:
    found = of_rates("kad", [rates([1, 3], [1, 1], 60.0), rates([2, 4], [3, 1], 60.0)])
    assert found.x.tolist() == [1.0, 2.0, 3.0, 4.0]
    # The first has no key at 4; of both, all are at least at 1; at 2 half of the first are at 3.
    assert found.least.tolist() == [1.0, 0.5, 0.25, 0.0]
    assert found.greatest.tolist() == [1.0, 1.0, 0.5, 0.25]
    assert (found.runs, found.keys) == (2, 6)


def test_it_begins_at_the_lowest_rate_that_the_shortest_window_can_show() -> None:
    found = of_rates("kad", [rates([1, 4], [2, 1], 3600.0), rates([1, 4], [2, 1], 600.0)])
    assert found.x.tolist() == pytest.approx([0.1, 0.4])
    assert found.least.tolist() == pytest.approx([0.0, 0.0])
    assert found.greatest.tolist() == pytest.approx([1.0, 1 / 3])


def test_of_many_runs_few_places_are_taken_and_these_are_exact() -> None:
    rng = np.random.default_rng(0)
    curves = []
    for _ in range(30):
        count, keys = np.unique(rng.zipf(1.6, 20_000), return_counts=True)
        curves.append(KeyRates("search", "file", count, keys, float(rng.integers(3000, 4000))))
    found = of_rates("kad", curves)
    assert 100 < len(found.x) <= 151
    assert found.x[0] == max(60 / one.seconds for one in curves)
    for at in (0, 40, -1):
        shares = [one.at_least(float(found.x[at])) / one.seen for one in curves]
        assert (found.least[at], found.greatest[at]) == (pytest.approx(min(shares)), pytest.approx(max(shares)))


def test_an_envelope_of_balances_holds_each_curve() -> None:
    steps = np.zeros(100, np.int64)
    steps[50] = 4
    balances = [
        Balance("file", 2, 4, steps, 0, 0, Once(0, 0, 0, 0)),
        Balance("file", 5, 1, steps, 0, 0, Once(0, 0, 0, 0)),
    ]
    found = of_balances("kad", balances)
    assert (found.least[1], found.greatest[1]) == (0.2, 0.5)
    assert (found.least[-2], found.greatest[-2], found.least[-1]) == (0.6, 0.9, 1.0)
    for one in balances:
        assert ((found.least <= one.line()) & (one.line() <= found.greatest)).all()


def test_four_panels_of_rates_and_two_of_balance(four: OverTraffic) -> None:
    drawn = {figure.name: figure for figure in four.figures()}
    assert list(drawn) == [
        "rates_kad_publish_keyword",
        "rates_kad_publish_file",
        "rates_kad_search_keyword",
        "rates_kad_search_file",
        "balance_kad_file",
        "balance_kad_keyword",
    ]
    for figure in drawn.values():
        assert ET.fromstring(figure.document).tag == "{http://www.w3.org/2000/svg}svg"
        assert "of 4 runs" in figure.caption
        assert len(figure.data)
    assert "publishing nodes" in drawn["rates_kad_publish_file"].document
    assert "publishing nodes" not in drawn["rates_kad_search_file"].document


def test_the_paper_stands_beside_the_runs(four: OverTraffic) -> None:
    table = {table.name: table for table in four.tables()}["paper"]
    rows_ = list(zip(*(list(column.values) for column in table.columns), strict=True))
    assert [row[:2] for row in rows_] == [
        ("kad", "keywords published at least 0.1 times a minute"),
        ("kad", "keywords published at least 30 times a minute"),
        ("kad", "keywords searched at least twice a minute"),
        ("kad", "files searched, never published"),
        ("kad", "files published, never searched"),
        ("kad", "keywords published, never searched"),
    ]
    assert list(table.column("paper")) == [0.1, 0.001, 0.0, 0.15, 0.6, 0.95]
    assert list(table.column("of")) == ["keywords"] * 3 + ["files"] * 2 + ["keywords"]
    assert (set(table.column("runs")), set(table.column("zones"))) == ({4}, {3})
    columns = [np.asarray(table.column(name)) for name in ("share_low", "least", "share", "greatest", "share_high")]
    assert (columns[1] <= columns[2]).all()
    assert (columns[2] <= columns[3]).all()
    quantities = {one.name: one for one in four.quantities()}
    one = quantities["kad_files_published_only"]
    assert one.low < one.value < one.high
    assert "0.6 of Kad in 2008" in one.meaning


def test_each_run_has_a_line(four: OverTraffic) -> None:
    table = {table.name: table for table in four.tables()}["traffic_of_runs"]
    assert table.column("run") == ["run1", "run2", "run3", "run4"]
    assert table.column("zone") == ["a4/8", "3c/8", "7e/8", "a4/8"]
    low, rate, high = (np.asarray(table.column(f"publishes_per_minute{end}")) for end in ("_low", "", "_high"))
    assert ((low < rate) & (rate < high)).all()


def test_networks_are_kept_apart_and_sorts_that_nobody_told_are_drawn_together() -> None:
    run = window(1)
    db = database(rows(np.arange(300) * 12.0, np.arange(300), np.arange(300) % 30 // 4, "lookup"), sorts={})
    found = over([kad_run(1, told=False), kad_run(2, told=False), Analysed(run, traffic(run, db))])
    assert found is not None
    assert [figure.name for figure in found.figures()] == [
        "rates_kad_publish_all",
        "rates_kad_search_all",
        "balance_kad_unknown",
    ]  # the one run of Mainline has no envelope
    of = {(one.overlay, one.name): one.of for one in found.compared}
    assert of["kad", "published_at_least_30"] == "keys of any sort"
    assert of["kad", "files_published_only"] == "keys of untold sort"
    assert {overlay for overlay, _ in of} == {"kad"}  # lookups that tell nothing are not compared


def test_of_one_zone_the_bounds_are_its_own_and_several_windows_of_it_have_none() -> None:
    (one,) = (claim for claim in over([kad_run(1)]).compared if claim.name == "files_published_only")  # type: ignore[union-attr]
    assert one.low < one.share < one.high
    twice = over([kad_run(1), kad_run(2)])
    assert twice is not None
    (both,) = (claim for claim in twice.compared if claim.name == "files_published_only")
    assert (both.runs, both.zones) == (2, 1)
    assert np.isnan(both.low)


def test_a_short_window_is_not_compared() -> None:
    found = over([kad_run(1, hours=2), kad_run(2, "3c/8", hours=0.9)])
    assert found is not None
    (one,) = (claim for claim in found.compared if claim.name == "published_at_least_0_1")
    assert one.runs == 1


def test_a_curve_of_one_point_is_seen() -> None:
    runs = [
        Analysed(run, traffic(run, database(rows(np.arange(5.0), 1, np.arange(5))))) for run in (window(1), window(1))
    ]
    found = over(runs)
    assert found is not None
    (figure,) = found.figures()
    assert figure.document.count("<use ") > figure.document.count('id="xtick_') + figure.document.count('id="ytick_')


def test_of_nothing_there_is_nothing() -> None:
    run = window(1)
    assert over([Analysed(run, traffic(run, database()))]) is None
