"""The size of the network from its zones: the paper's Table I."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.network.population import network_size
from analysis.network.zones import NetworkSize, ZoneSize, network_of, zone_sizes


def test_table_i_of_the_paper() -> None:
    table = zone_sizes({"kad": NetworkSize(2_000_000.0, 1_900_000.0, 2_100_000.0, 4, 4)})
    wanted = [2_000_000, 1_000_000, 500_000, 250_000, 125_000, 62_500, 31_250, 15_625, 7_812]
    assert np.asarray(table.column("paper")).tolist() == wanted
    assert np.floor(np.asarray(table.column("nodes"))).tolist() == wanted
    assert np.asarray(table.column("nodes_low"))[6] == pytest.approx(1_900_000 / 64)
    assert np.asarray(table.column("prefix_length")).tolist() == list(range(9))


def test_the_paper_tells_of_kad_alone() -> None:
    size = NetworkSize(1e6, 9e5, 1.1e6, 4, 4)
    paper = np.asarray(zone_sizes({"kad": size, "mainline": size}).column("paper"))
    assert not np.isnan(paper[:9]).any()
    assert np.isnan(paper[9:]).all()


def test_windows_of_one_zone_are_one_zone() -> None:
    sizes = [ZoneSize("a4/8", 8, nodes, nodes, nodes) for nodes in (100.0, 140.0)]
    found = network_of([*sizes, ZoneSize("3c/6", 6, 400.0, 400.0, 400.0)])
    assert found.nodes == pytest.approx((120 + 400) / (1 / 256 + 1 / 64))
    assert (found.zones, found.windows) == (2, 3)


def test_zones_that_differ_widen_the_bounds() -> None:
    alike = network_of([ZoneSize(f"{n:x}/4", 4, 100.0, 100.0, 100.0) for n in range(4)])
    apart = network_of([ZoneSize(f"{n:x}/4", 4, 40.0 * n + 40, 40.0 * n + 40, 40.0 * n + 40) for n in range(4)])
    assert alike.nodes == apart.nodes == 1600
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


def test_unknown_sizes() -> None:
    nothing = network_of([ZoneSize("a4/8", 8, math.nan, math.nan, math.nan)])
    assert (nothing.zones, nothing.windows) == (0, 0)
    assert math.isnan(nothing.nodes)
    unbounded = network_of([ZoneSize("a4/8", 8, 100.0, math.nan, math.nan)])
    assert unbounded.nodes == 25600
    assert math.isnan(unbounded.low)


def test_whole_network_has_no_chance_of_zones() -> None:
    assert network_size(500.0, 490.0, 510.0, 0) == (500, 490, 510)


@pytest.mark.parametrize("zones", [1, 2, 4, 8])
def test_a_hundred_networks(zones: int) -> None:
    """Nodes fall into zones of different lengths by chance, and crawls tell each zone's number to one in fifty."""
    truth, hits = 50_000, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sizes = []
        for zone in range(zones):
            prefix = int(rng.integers(6, 9))
            nodes = rng.binomial(truth, 2.0**-prefix)
            seen = nodes * rng.normal(1, 0.01)
            sizes.append(ZoneSize(f"{zone:x}/{prefix}", prefix, seen, seen * 0.98, seen * 1.02))
        found = network_of(sizes)
        hits += found.low <= truth <= found.high
        assert found.low <= found.nodes <= found.high
        if zones == 1:
            alone = network_size(sizes[0].nodes, sizes[0].low, sizes[0].high, sizes[0].prefix)
            assert alone == pytest.approx((found.nodes, found.low, found.high), rel=0.01)
    assert hits >= 93
