"""The chapter of a run, and over runs: names, tables, figures, and the paper's Table I."""

from __future__ import annotations

import importlib
import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.analyze import examine
from analysis.network.chapter import Network
from analysis.network.figures import figures
from analysis.network.over import over
from analysis.quantity import INPUTS, Quantity
from analysis.result import Analysis

from ..kad_sample import given_of, kad_sample
from ..samples import GIVEN, Contents, make_run, sample
from .crawled import EXPONENTIAL, World, see

ALL = replace(GIVEN, least_people=1)


@pytest.fixture
def small(sample_run: Path, tmp_path: Path) -> Analysis:
    """The sample: ten minutes, four nodes, three crawls."""
    return examine(sample_run, tmp_path / "out", ALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """Three hours of a zone of 300 nodes."""
    seen = see(World(EXPONENTIAL, nodes=300, hours=3, zone="a4/6"), 5)
    folder = tmp_path_factory.mktemp("large") / "20261121T150000Z_mainline_a4-6"
    contents = Contents(
        captures=sample().captures, attachments=seen.attachments, crawls=list(seen.run.crawls), minutes=180
    )
    return examine(make_run(folder, contents), folder / "analysis", ALL)


def named(network: Network) -> dict[str, Quantity]:
    """Return the numbers by name; no two have one."""
    numbers = {one.name: one for one in network.quantities()}
    assert len(numbers) == len(network.quantities())
    return numbers


def function_of(dotted: str) -> Any:
    """Return what made a number, or raise."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", ["small", "large"])
def test_every_number_says_where_it_comes_from(name: str, request: pytest.FixtureRequest) -> None:
    analysis = request.getfixturevalue(name)
    for one in (*named(analysis.network).values(), *analysis.network.tables()):
        assert callable(function_of(one.function)), one.name
        assert set(one.inputs) <= set(INPUTS), one.name
    for one in named(analysis.network).values():
        assert one.told == (not one.withheld), one.name
        assert one.meaning
        if one.bounded:
            assert one.low <= one.value <= one.high, one.name
            assert one.method
    for table in analysis.network.tables():
        lengths = {len(column.values) for column in table.columns}
        assert len(lengths) == 1, table.name
        assert all(column.meaning for column in table.columns)


def test_a_small_run_says_what_it_cannot_tell(small: Analysis) -> None:
    numbers = named(small.network)
    assert numbers["population"].value == pytest.approx(4.0, abs=0.6)
    assert numbers["nodes_found"].value == 4
    assert "crawls were too few" in numbers["arrivals"].withheld
    assert "crawls were too few" in numbers["stay_50_km"].withheld
    assert [one.name for one in figures(small)] == ["population", "targets", "crawls", "clients"]


def test_a_large_run_tells_all(large: Analysis) -> None:
    numbers = named(large.network)
    assert numbers["population"].low < 300 * 1.2
    assert numbers["network_size"].value == pytest.approx(300 * 64, rel=0.15)
    assert numbers["arrivals"].value == pytest.approx(60 * 300 / 3000 * math.exp(-150 / 3000), rel=0.15)
    assert numbers["stay_50_km"].value == pytest.approx(150 + 3000 * math.log(2), rel=0.15)
    assert numbers["shortest_stay"].value == pytest.approx(150, rel=0.02)
    drawn = {one.name: one for one in figures(large)}
    assert list(drawn) == ["population", "stays", "flows", "targets", "crawls", "clients"]
    assert all(len(one.data) for one in drawn.values())
    stays = drawn["stays"].data
    share, low, high = (np.asarray(stays.column(f"kaplan_meier{end}")) for end in ("", "_low", "_high"))
    there = ~np.isnan(share)
    assert (low[there] <= share[there]).all()
    assert (share[there] <= high[there]).all()
    assert np.isnan(np.asarray(stays.column("create_based"))[-1])  # half of the window only


def test_a_chapter_is_small(large: Analysis) -> None:
    again = pickle.loads(pickle.dumps(large))
    assert named(again.network).keys() == named(large.network).keys()
    assert len(pickle.dumps(large.network)) < 150_000


def test_people_too_few_are_not_drawn(small: Analysis) -> None:
    hidden = replace(small, given=replace(small.given, least_people=3))
    assert "clients" not in [one.name for one in figures(hidden)]


def test_over_runs(large: Analysis, small: Analysis, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "20261121T150000Z_kad_a4-6", kad_sample())
    kad = examine(folder, tmp_path / "kad", given_of(folder))
    assert over([large]) is None
    found = over([large, kad, small, large])
    assert found is not None
    numbers = {one.name: one for one in found.quantities()}
    assert (numbers["zones_mainline"].value, numbers["windows_mainline"].value) == (1, 3)
    size = numbers["network_size_mainline"]
    assert size.low < size.value < size.high
    tables = {one.name: one for one in found.tables()}
    assert list(tables) == ["zone_sizes", "network_windows", "hours_of_day", "node_clients"]
    nodes = np.asarray(tables["zone_sizes"].column("nodes"))
    assert nodes[9:].tolist() == pytest.approx([size.value / 2**n for n in range(9)])
    assert tables["network_windows"].column("overlay") == ["mainline", "kad", "mainline", "mainline"]
    # one window for each zone: the sample's, which begins with the large one's, is the same zone's second
    assert tables["node_clients"].column("overlay") == ["kad", "kad", "mainline"]
    drawn = {one.name: one for one in found.figures()}
    assert list(drawn) == ["hours_of_day", "stays_over"]
    most, least = (np.asarray(drawn["stays_over"].data.column(name)) for name in ("most", "least"))
    assert np.array_equal(most, least)  # of twice the same
    for one in (*found.quantities(), *found.tables(), *(drawing.data for drawing in drawn.values())):
        assert callable(function_of(one.function)), one.name
