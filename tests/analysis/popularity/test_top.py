"""The keys asked for most."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.popularity.top import TopKey, top_keys
from analysis.traffic.rates import KeyCounter, KeyCounts, masks
from zone_store.run.reader import RunReader

from ..samples import KEY_A, KEY_B


def test_top_keys_of_the_sample(sample_run: Path) -> None:
    counter = KeyCounter(20)
    with RunReader(sample_run) as reader:
        for table in reader.lookups():
            counter.add(table, masks(table))
        found = top_keys(counter.result(), reader.lookups(), 120)
        assert found == [
            TopKey(KEY_A, 4, 0, 0, 2.0, 0.8, 3, 1, 0.2, 0.25),
            TopKey(KEY_B, 1, 0, 0, 0.5, 0.2, 1, 0, 0.0, 0.0),
        ]
        assert top_keys(counter.result(), reader.lookups(), 0, most=1) == [
            TopKey(KEY_A, 4, 0, 0, 0.0, 0.8, 3, 1, 0.2, 0.25)
        ]


def test_equals_come_by_key_and_nothing_gives_nothing() -> None:
    keys = np.array([[1], [2], [3]], np.uint8)
    none = np.zeros(3, np.int64)
    found = top_keys(KeyCounts(keys, np.array([5, 0, 5]), *[none] * 5), [], 60)
    assert [(key.key, key.requesters) for key in found] == [(b"\x01", 0), (b"\x03", 0)]
    assert top_keys(KeyCounts(keys, *[none] * 6), [], 60) == []
