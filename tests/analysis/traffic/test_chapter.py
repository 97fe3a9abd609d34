"""The traffic of a run as numbers, tables and figures."""

from __future__ import annotations

import math
import pickle
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from analysis.page.drawing import Drawing
from analysis.quantity import INPUTS, Quantity
from analysis.traffic.figures import figures
from analysis.trust.validation import Proportion, Validation
from zone_store.captures import Flag

from .worlds import KAD, Analysed, database, kad_run, rows, traffic, window

MADE_BY = "analysis.traffic."


def by_name(found: list[Quantity]) -> dict[str, Quantity]:
    names = [one.name for one in found]
    assert len(set(names)) == len(names)
    return {one.name: one for one in found}


def mainline() -> Analysed:
    run = window(2)
    seeds = np.where(np.arange(900) % 5 == 0, int(Flag.NO_SEED), 0)
    db = database(
        rows(np.arange(900) * 8.0, np.arange(900) % 70, np.arange(900) % 40 // 3, "lookup", seeds),
        rows(np.arange(20) * 60.0, 1, np.arange(20), "node_lookup"),
        sorts=dict.fromkeys(range(20), "info_hash"),
    )
    return Analysed(run, traffic(run, db))


@pytest.fixture(scope="module")
def drawn() -> dict[str, Drawing]:
    return {figure.name: figure for figure in figures(kad_run(1))}


def test_numbers_of_a_network_that_tells_publishes_from_searches() -> None:
    one = kad_run(1)
    found = by_name(one.traffic.quantities())
    assert found["lookups"].value == found["searches"].value + found["publishes"].value
    rate = found["publishes_a_minute"]
    assert rate.value == pytest.approx(found["publishes"].value / 345)  # six hours without a quarter of one
    assert rate.low < rate.value < rate.high
    assert not found["publishes_a_minute_corrected"].told
    assert "no canaries" in found["publishes_a_minute_corrected"].withheld
    assert 0.9 < found["monitored_share"].value < 1
    assert found["keys"].value == one.traffic.keys <= 300
    assert {"file_published_only", "keyword_published_only", "publish_file_share_at_least_0_1"} <= set(found)
    assert not {"announces_a_minute", "lookup_all_share_at_least_30", "unknown_published_only"} & set(found)
    for quantity in found.values():
        assert quantity.function.startswith(MADE_BY)
        assert set(quantity.inputs) <= set(INPUTS)
        assert quantity.meaning.endswith(".")
        assert quantity.told == (not quantity.withheld)
        assert not quantity.bounded or quantity.method


def test_numbers_of_a_network_that_does_not_tell() -> None:
    found = by_name(mainline().traffic.quantities())
    assert (found["lookups"].value, found["node_lookups"].value, found["announces"].value) == (900, 20, 0)
    assert found["lookups_a_minute"].value == 7.5
    assert found["announces_a_minute"].value == 0.0
    assert "publishes_a_minute" not in found
    assert {"info_hash_published_and_searched", "lookup_all_share_at_least_0_1"} <= set(found)
    assert "lookup_info_hash_share_at_least_0_1" not in found  # the same as of all keys


def test_a_validated_run_has_corrected_rates_by_what_was_validated() -> None:
    shares = (
        Proportion("capture", "", 0.5, 0.45, 0.55, 400),
        Proportion("capture_lookups", "", 0.8, 0.75, 0.85, 200),
        Proportion("capture_announces", "", 0.4, 0.35, 0.45, 200),
    )
    db = database(
        rows(np.arange(1200) * 6.0, np.arange(1200), 1, "search"),
        rows(np.arange(720) * 10.0, np.arange(720), 2, "publish"),
    )
    one = traffic(window(2), db, KAD, Validation(shares))
    found = by_name(one.quantities())
    for name, rate, share in (("searches", 10.0, 0.8), ("publishes", 6.0, 0.4), ("lookups", 16.0, 0.5)):
        assert found[f"{name}_a_minute"].value == pytest.approx(rate)
        corrected = found[f"{name}_a_minute_corrected"]
        assert corrected.value == pytest.approx(rate / share)
        assert corrected.low < corrected.value < corrected.high
    table = {one.name: one for one in one.tables()}["rates"]
    assert np.nanmedian(table.column("searches_per_minute_high")) > 10 / 0.85
    assert one.publishers.capture is not None
    assert one.publishers.capture.share == 0.4


def test_tables_say_what_they_hold() -> None:
    for one in (kad_run(1), mainline()):
        tables = {table.name: table for table in one.traffic.tables()}
        assert list(tables) == [
            "rates",
            "key_rates",
            "key_rate_marks",
            "balance",
            "balance_cdf",
            "publishers",
            "copies",
            "ranks",
            "kinds",
        ]
        for table in tables.values():
            assert table.function.startswith(MADE_BY)
            assert {len(column.values) for column in table.columns} == {len(table)}
            assert all(column.meaning for column in table.columns)
        assert tables["publishers"].people == "requesters"
        rates = tables["rates"]
        assert np.asarray(rates.column("lookups")).sum() == one.traffic.lookups
        key_rates = tables["key_rates"]
        of_all = np.array(key_rates.column("sort")) == "all"
        first = np.array(key_rates.column("message")) == key_rates.column("message")[0]
        assert np.asarray(key_rates.column("keys"))[of_all & first].sum() == one.traffic.keys
        assert np.asarray(key_rates.column("share_of_keys_at_least"))[0] == 1.0


def test_figures_have_units_and_their_numbers(drawn: dict[str, Drawing]) -> None:
    assert list(drawn) == [
        "rates",
        "key_rates",
        "publish_rates_file",
        "publish_rates_keyword",
        "balance",
        "copies",
        "ranks",
    ]
    for figure in drawn.values():
        assert ET.fromstring(figure.document).tag == "{http://www.w3.org/2000/svg}svg"
        assert figure.caption.endswith(".")
        assert len(figure.data)
    assert "messages a minute" in drawn["rates"].document
    assert "not running" in drawn["rates"].document
    assert "partly monitored" in drawn["rates"].document
    assert "publishing nodes" in drawn["publish_rates_file"].document
    assert "P / (S + P)" in drawn["balance"].document


def test_figures_are_the_same_each_time(drawn: dict[str, Drawing]) -> None:
    again = {figure.name: figure for figure in figures(kad_run(1))}
    assert {name: (figure.document, figure.paper) for name, figure in drawn.items()} == {
        name: (figure.document, figure.paper) for name, figure in again.items()
    }


def test_a_window_too_short_tells_no_publishers() -> None:
    drawn = {figure.name: figure for figure in figures(kad_run(1, hours=1.5))}
    assert "publishing nodes" in drawn["publish_rates_file"].document
    assert "publishing nodes" not in drawn["publish_rates_keyword"].document
    assert "too short" in drawn["publish_rates_keyword"].caption
    untold = {figure.name: figure for figure in figures(kad_run(1, told=False))}
    assert "if it is a file" in untold["publish_rates"].document


def test_an_empty_run_tells_nothing_and_says_why() -> None:
    run = window(1)
    one = traffic(run, database())
    assert figures(Analysed(run, one)) == []
    found = by_name(one.quantities())
    assert found["lookups_a_minute"].value == 0.0
    assert found["lookups_a_minute"].high > 0
    assert math.isnan(found["monitored_share"].value)
    assert all(quantity.told or quantity.withheld for quantity in found.values())
    assert [len(table) for table in one.tables() if table.name in ("key_rates", "balance", "publishers")] == [0, 0, 0]


def test_what_is_kept_is_small() -> None:
    assert len(pickle.dumps(kad_run(1).traffic)) < 100_000
