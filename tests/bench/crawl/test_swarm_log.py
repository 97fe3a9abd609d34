"""How often nodes were asked, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.crawl import swarm_log
from bench.crawl.network import SUBNETS
from montra.endpoint.limits import Rate

_ENTRY = np.dtype([("time", "<u8"), ("node", "<u4")])


def log(*asked: tuple[float, int]) -> np.ndarray:
    return np.array([(1_700_000_000 * 10**9 + round(at * 1e9), node) for at, node in asked], _ENTRY)


def test_windows_are_sliding_and_each_node_is_its_own() -> None:
    entries = log((0.9, 1), (0.0, 1), (1.5, 1), (1.6, 1), (1.7, 2), (9.0, 1), (9.05, 2))
    found = swarm_log.asked(entries, Rate(1, 8))
    assert (found.most_1s, found.most_10s) == (3, 5)


def test_the_burst_is_what_a_token_bucket_would_have_needed() -> None:
    assert swarm_log.asked(log((0, 1), (1, 1), (2, 1)), Rate(1, 8)).burst == pytest.approx(1.0)
    assert swarm_log.asked(log((0, 1), (0, 1), (1, 1), (2, 1)), Rate(1, 8)).burst == pytest.approx(2.0)
    assert swarm_log.asked(log((0, 1), (5, 2), (5.25, 2), (5.5, 2)), Rate(1, 8)).burst == pytest.approx(2.5)
    # a long rest does not add up to more than a full bucket
    assert swarm_log.asked(log((0, 1), (100, 1), (100, 1)), Rate(1, 8)).burst == pytest.approx(2.0)


def test_nodes_of_a_subnet_count_together() -> None:
    entries = log((0, 3), (0.1, 3 + SUBNETS), (0.2, 4))
    assert swarm_log.asked(entries, Rate(20, 40), subnets=True).most_1s == 2


def test_no_queries_at_all(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log((0, 0xFFFFFFFF)).tofile(file)
    assert swarm_log.asked(swarm_log.read(file), Rate(1, 8)) == (0, 0, 0.0)
