"""Copies, ranks and kinds of the sample."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from analysis.engine.opening import opened
from analysis.given import Given
from analysis.traffic.copies import MOST, Copies, copies_of


def copies(folder: Path) -> Copies:
    with opened(folder, folder / "out", Given()) as source:
        return copies_of(source.db)


def test_copies_of_the_sample(sample_run: Path) -> None:
    found = copies(sample_run)
    assert found.copies.tolist() == [0, 3, 2] + [0] * (MOST - 2)
    assert (found.lookups, found.monitors, found.packets, found.mean) == (5, 7, 8, 1.4)
    # All keys are nearest to the first node; Carol's lookup at 130 s met the second one only.
    assert found.ranks.tolist() == [4, 1] + [0] * (MOST - 1)
    assert (found.closest_share, found.unranked, found.ranked) == (0.8, 0, 5)
    assert 0 < found.mean_confidence <= 1
    assert found.observed_share == pytest.approx(found.observed / 5)
    assert found.kinds == {
        ("lookup", "none"): 5,
        ("lookup", "bootstrap"): 1,
        ("node_lookup", "none"): 1,
        ("announce", "none"): 1,
    }
    assert found.maintenance == 1


def test_copies_of_nothing(empty_run: Path) -> None:
    found = copies(empty_run)
    assert (found.lookups, found.kinds) == (0, {})
    assert math.isnan(found.mean)
    assert math.isnan(found.closest_share)
    assert math.isnan(found.mean_confidence)
