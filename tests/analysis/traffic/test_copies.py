"""Copies, ranks and kinds of the sample."""

from __future__ import annotations

import math
from pathlib import Path

from analysis.traffic.copies import MOST, Copies, CopiesCounter
from analysis.traffic.rates import masks
from zone_store.run.reader import RunReader


def copies_of(folder: Path) -> Copies:
    counter = CopiesCounter()
    with RunReader(folder) as reader:
        for table in reader.lookups():
            counter.add(table, masks(table))
    return counter.result()


def test_copies_of_the_sample(sample_run: Path) -> None:
    found = copies_of(sample_run)
    assert found.copies.tolist() == [0, 3, 2] + [0] * (MOST - 2)
    assert (found.lookups, found.monitors, found.packets, found.mean) == (5, 7, 8, 1.4)
    # All keys are nearest to the first node; Carol's lookup at 130 s met the second one only.
    assert found.ranks.tolist() == [4, 1] + [0] * (MOST - 1)
    assert (found.closest_share, found.unranked) == (0.8, 0)
    assert found.kinds == {
        ("lookup", "none"): 5,
        ("lookup", "bootstrap"): 1,
        ("node_lookup", "none"): 1,
        ("announce", "none"): 1,
    }
    assert found.maintenance == 1


def test_copies_of_nothing(empty_run: Path) -> None:
    found = copies_of(empty_run)
    assert (found.lookups, found.kinds) == (0, {})
    assert math.isnan(found.mean)
    assert math.isnan(found.closest_share)
