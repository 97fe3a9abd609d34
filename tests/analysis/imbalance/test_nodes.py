"""Load of nodes from lookups in a database; hashing alone agrees with lookups for random keys."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from analysis.engine.database import Database
from analysis.imbalance.estimates import Estimate, measured
from analysis.imbalance.nodes import NodeLoad, by_hashing, node_load, with_chance
from analysis.imbalance.popular import top_keys_of
from analysis.imbalance.watched import watched
from analysis.load import NANOS, Run
from zone_store.attribution.targets import Targets
from zone_store.captures import Attachment

from ..lookups import table
from ..samples import START_NS, TARGETS, Contents, at, attachment, run_of
from .worlds import LEAST_HITS, hits


def load_of(run: Run, rows: pa.Table) -> NodeLoad:
    nodes = watched(run)
    with Database.of(rows) as db:
        top = top_keys_of(db, nodes, run.manifest.id_bytes)
        return node_load(db, run, nodes, top, None, 1.0)[0]


def rows_of(numbers: list[int], seconds: float = 100.0) -> pa.Table:
    return table([{"time_ns": at(seconds), "key": TARGETS[0], "inferred": n, "confidence": 1.0} for n in numbers])


def test_load_adds_up_a_nodes_attachments_and_leaves_out_brief_ones() -> None:
    contents = Contents(
        attachments=[
            attachment(1, TARGETS[0], 0, 302),  # attached for 300 s
            attachment(2, TARGETS[1], 8),  # 590 s
            attachment(3, TARGETS[0], 400, 502),  # 100 s more of the first node
            attachment(4, TARGETS[2], 560),  # 38 s: less than a tenth of the window
        ]
    )
    load = load_of(run_of(contents), rows_of([1] * 30 + [2] * 59 + [3] * 10 + [4] * 7 + [0] * 2))
    assert load.name.tolist() == [1, 2]
    assert load.seconds.tolist() == [400.0, 590.0]
    assert load.lookups.tolist() == [40, 59]
    assert load.a_minute.tolist() == [6.0, 6.0]
    assert (load.realised.gini.value, load.left_out, load.unplaced) == (0.0, 1, 9)
    assert math.isnan(load.realised.gini.low)  # nobody measured what was missed


def test_load_of_a_thin_fleet_is_of_all_known_nodes() -> None:
    bare = Attachment(2, TARGETS[1], 1, 1, TARGETS[1], 0, 0, at(0), lost_ns=at(600), reason="sealed")
    load = load_of(run_of(Contents(attachments=[attachment(1, TARGETS[0]), bare])), rows_of([1] * 598 + [2] * 300))
    assert load.seconds.tolist() == [598.0, 600.0]
    assert load.a_minute.tolist() == [60.0, 30.0]


def test_hashing_goes_by_gaps_by_who_was_there_and_by_the_times_of_traffic() -> None:
    # Two quarters of the zone each: the second node comes at 302 s, and all traffic is before 300 s.
    run = run_of(Contents(attachments=[attachment(1, TARGETS[0]), attachment(2, TARGETS[2], 300)]))
    before = load_of(run, rows_of([1] * 1000))
    assert before.gaps.gini.value == before.hashing.gini.value == before.realised.gini.value == 0.5
    # Even traffic: the first has all for 300 s and half after, so half as much again for each second.
    even = table(
        [{"time_ns": at(2 + i / 10), "key": TARGETS[0], "inferred": 1, "confidence": 1.0} for i in range(5980)]
    )
    assert load_of(run, even).gaps.gini.value == pytest.approx(0.1, abs=0.01)


def test_a_run_without_monitors_has_no_load() -> None:
    load = load_of(run_of(Contents()), rows_of([0, 0]))
    assert (len(load.name), load.left_out, load.unplaced) == (0, 0, 2)
    for measures in (load.realised, load.rates, load.hashing, load.gaps):
        assert all(math.isnan(one.value) for one in measures)


def test_lookups_for_random_keys_fall_within_what_hashing_is_said_to_give() -> None:
    """Truth: the load of nodes that come and go, of lookups for random keys, each at the nearest node attached."""
    held = hits(lambda seed: _by_random_keys(np.random.default_rng(seed)))
    assert min(held.values()) >= LEAST_HITS, held


def _by_random_keys(rng: np.random.Generator) -> Iterator[tuple[str, Estimate, float]]:
    ids = [bytes([0xA4 | int(b[0]) & 3]) + b[1:].tobytes() for b in rng.integers(0, 256, (60, 20), np.uint8)]
    begins, lasts = rng.integers(0, 200, 60), rng.integers(200, 390, 60)
    attached = [
        attachment(i + 1, one, int(begin), int(begin + last))
        for i, (one, begin, last) in enumerate(zip(ids, begins, lasts, strict=True))
    ]
    keys = rng.integers(0, 256, (1500, 20), np.uint8)
    keys[:, 0] = 0xA4 | keys[:, 0] & 3
    times = np.sort(START_NS + (rng.uniform(10, 580, 1500) * NANOS).astype(np.int64))
    nearest, _ = Targets(attached, 20).place(times, keys, keys)
    run = run_of(Contents(attachments=attached))
    nodes = watched(run)
    counts = nodes.summed(nearest, np.ones(1500, np.int64))[nodes.kept]
    second, lookups = np.unique(times // NANOS, return_counts=True)
    given, _ = with_chance(by_hashing(run, nodes, second, lookups), nodes, None)
    load = measured(counts / nodes.seconds[nodes.kept])
    return zip(("gini", "top_1_percent", "top_10_percent", "variation"), given, load.tolist(), strict=True)
