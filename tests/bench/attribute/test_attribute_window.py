"""The synthetic window and its truth, against a grouping copy by copy in plain Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.attribute.truth import Sum, sum_of
from bench.attribute.window import START_NS, Shape, first_word, write
from zone_store.captures import Captures, Kind
from zone_store.keyspace.zone import Zone
from zone_store.run.reader import RunReader
from zone_store.run.verify import verify

SPAN_NS, LONGEST_NS = 60 * 10**9, 600 * 10**9


@pytest.mark.parametrize("shape", [Shape(6000, 200, 60.0, 20.0), Shape(3000, 64, 3600.0, 5000.0)])
def test_the_truth_is_what_a_plain_grouping_finds(tmp_path: Path, shape: Shape) -> None:
    truth = write(tmp_path, shape)
    with RunReader(tmp_path) as reader:
        captures = Captures.concat(list(reader.captures()), 20)
        ids = {one.number: one.target_id for one in reader.attachments()}
    assert verify(tmp_path).ok
    assert len(captures) == truth.captures == truth.lookups.packets
    assert len(ids) == truth.attachments
    assert truth.captures == pytest.approx(shape.rows, rel=0.1)
    assert plain_sum(captures, ids) == truth.lookups


def plain_sum(captures: Captures, ids: dict[int, bytes]) -> Sum:
    """Group copy by copy and sum up."""
    groups: list[list[int]] = []
    newest: dict[tuple[object, ...], list[int]] = {}
    times, attachments = captures.time_ns.tolist(), captures.attachment.tolist()
    keys = [key.tobytes() for key in captures.key]
    askers = zip(captures.source_ip.tolist(), captures.source_port.tolist(), captures.kind.tolist(), keys, strict=True)
    for row, asker in enumerate(askers):
        group = newest.get(asker)
        if group is None or times[row] - times[group[-1]] > SPAN_NS:
            group = newest[asker] = []
            groups.append(group)
        group.append(row)
    assert max(times[group[-1]] - times[group[0]] for group in groups) < LONGEST_NS
    destination = [
        min((int.from_bytes(keys[r]) ^ int.from_bytes(ids[attachments[r]]), attachments[r]) for r in group)[1]
        for group in groups
    ]
    first = np.array([group[0] for group in groups])
    return sum_of(
        captures.time_ns[first],
        captures.source_ip[first],
        captures.source_port[first],
        captures.kind[first],
        first_word(captures.key)[first],
        np.array(destination),
        np.array([len(group) for group in groups]),
    )


def test_a_window_is_what_its_shape_says(tmp_path: Path) -> None:
    shape = Shape(200_000, 500, 100.0, 2000.0)
    truth = write(tmp_path, shape)
    with RunReader(tmp_path) as reader:
        attachments = reader.attachments()
        captures = Captures.concat(list(reader.captures()), 20)
        assert reader.manifest.sealed
    times = captures.time_ns - START_NS
    assert bool((times[1:] >= times[:-1]).all())
    assert times[-1] == pytest.approx(100 * 10**9, rel=0.1) or times[-1] < 500 * 10**9
    # 500 at a time for 100 s each: twice as many in 100 s.
    assert len(attachments) == pytest.approx(1000, rel=0.15)
    for moment in (START_NS + 10**9, START_NS + 50 * 10**9):
        there = sum(one.accepted_ns <= moment < (one.lost_ns or moment + 1) for one in attachments)
        assert there == pytest.approx(500, rel=0.05)
    zone = Zone.parse("a4/6", 160)
    assert all(zone.contains(one.target_id) for one in attachments)
    assert zone.contains_many(captures.key).all()
    assert set(captures.kind.tolist()) == {Kind.LOOKUP, Kind.NODE_LOOKUP, Kind.ANNOUNCE}
    assert 7 < truth.captures / truth.lookups.rows < 7.5


def test_the_same_seed_gives_the_same_window_and_another_another(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found.append(write(folder, Shape(2000, 100, 60.0, 100.0, seed)))
    assert found[0] == found[1] != found[2]


def test_sums_do_not_depend_on_order_and_tell_every_column() -> None:
    columns = [np.array(values) for values in ([1, 2], [3, 4], [5, 6], [1, 1], [7, 8], [9, 10], [2, 3])]
    whole = sum_of(*columns)
    assert (whole.rows, whole.packets) == (2, 5)
    assert sum_of(*(column[::-1] for column in columns)) == whole
    assert sum_of(*(column[:1] for column in columns)) + sum_of(*(column[1:] for column in columns)) == whole
    for changed in range(7):
        other = [column.copy() for column in columns]
        other[changed][1] += 1
        assert sum_of(*other).mixed != whole.mixed
