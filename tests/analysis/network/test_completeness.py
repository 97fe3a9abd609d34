"""What was known and monitored, over time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.network.completeness import coverage, target_series, targets_at
from zone_store.captures import Attachment

from ..samples import TARGETS, Contents, at, attachment, run_of, sample


def test_targets_over_time() -> None:
    run = run_of(sample())
    series = targets_at(run, np.array([at(-1), at(0), at(2), at(4), at(400), at(595), at(600)]))
    assert series.found.tolist() == [0, 3, 3, 3, 2, 3, 3]  # at 600 s the run was sealed
    assert series.accepted.tolist() == [0, 0, 3, 3, 2, 3, 3]
    assert series.visible.tolist() == [0, 0, 0, 3, 2, 3, 3]


def test_coverage_of_the_sample() -> None:
    found = coverage(run_of(sample()))
    # Crawls 2 (60 s, 0.8) and 3 (180 s, 1.0); the first has no estimate.
    assert (found.completeness, found.least_completeness) == (pytest.approx(0.95), 0.8)
    assert found.found_s == 600 + 600 + 400 + 10
    assert found.accepted_s == 598 + 598 + 398 + 8
    assert found.visible_s == 596 + 596 + 396 + 6
    assert found.unmonitored_s == 16
    assert (found.targets, found.monitored, found.attach_s) == (4, 4, 2.0)
    assert found.reasons == {"sealed": 1, "silent": 1}


def test_coverage_is_of_targets_that_were_meant_to_have_a_monitor() -> None:
    bare = Attachment(1, TARGETS[0], 1, 1, TARGETS[0], 0, 0, at(0), lost_ns=at(200), reason="promoted")
    always = Attachment(2, TARGETS[1], 1, 2, TARGETS[1], 0, 0, at(0), lost_ns=at(300), reason="sealed")
    promoted = attachment(3, TARGETS[0], 200, 300, "sealed")
    run = run_of(Contents(attachments=[bare, always, promoted], minutes=5))
    found = coverage(run)
    assert (found.targets, found.monitored, found.bare) == (2, 1, 1)
    assert (found.found_s, found.visible_s, found.bare_s) == (100, 96, 500)
    assert found.reasons == {"sealed": 1}
    assert targets_at(run, np.array([at(100), at(250)])).found.tolist() == [2, 2]


def test_coverage_of_targets_that_never_accepted_and_of_several_visible_times() -> None:
    never = Attachment(1, TARGETS[0], 1, 1, TARGETS[0], 2, 2, at(0), at(1))
    twice = attachment(2, TARGETS[1], 0, 100)
    twice.visible = ((at(10), at(20)), (at(50), 0))
    found = coverage(run_of(Contents(attachments=[never, twice])))
    assert (found.targets, found.monitored) == (2, 1)
    assert (found.found_s, found.accepted_s, found.visible_s) == (700, 98, 60)


def test_coverage_of_nothing() -> None:
    found = coverage(run_of(Contents()))
    assert math.isnan(found.completeness)
    assert math.isnan(found.attach_s)
    assert (found.targets, found.found_s, found.unmonitored_s) == (0, 0, 0)


def test_a_monitor_that_moves_does_not_make_its_node_known_twice() -> None:
    moved = attachment(1, TARGETS[0], 0, 300, "moved")
    after = attachment(2, TARGETS[0], 0, 600, "sealed")  # found when the node was
    after.accepted_ns, after.visible = at(302), ((at(304), 0),)
    run = run_of(Contents(attachments=[moved, after]))
    assert coverage(run).found_s == 600
    assert targets_at(run, np.array([at(100), at(400)])).found.tolist() == [1, 1]


def test_even_steps_and_gaps() -> None:
    run = replace(run_of(sample()), gaps=((at(480), at(540)),))
    series = target_series(run)
    assert len(series.time_ns) == 400
    assert (series.time_ns[0] - at(0), series.time_ns[-1] - at(0)) == (750_000_000, 599_250_000_000)
    assert int((~series.running).sum()) == 40  # a minute of ten
    assert len(series.table()) == 400
