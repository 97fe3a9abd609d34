"""What is read beside the lookups: the window, its gaps, and how long it was at work."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.load import load
from zone_store.captures import Loss
from zone_store.run.reader import RunReader

from .samples import SECOND, START_NS, Contents, at, make_run, sample


def test_a_sealed_run(sample_run: Path) -> None:
    with RunReader(sample_run) as reader:
        run = load(reader)
    assert (run.name, run.seconds, run.running_seconds) == ("20261121T150000Z_mainline_a4-6", 600.0, 540.0)
    assert run.gaps == ((at(480), at(540)),)
    assert (run.captures, len(run.attachments), len(run.crawls), len(run.losses)) == (11, 4, 3, 5)
    assert run.running_ns(np.array([at(-60), at(60), at(500), at(600), at(999)])).tolist() == [
        60 * SECOND,
        420 * SECOND,
        60 * SECOND,
        0,
    ]


def test_an_unsealed_run_ends_with_the_newest_time_it_tells(tmp_path: Path) -> None:
    contents = sample()
    contents.seal = False
    contents.losses = []
    with RunReader(make_run(tmp_path / "run", contents)) as reader:
        run = load(reader)
    assert (run.manifest.sealed, run.end_ns) == (False, at(600))  # the last attachment's end
    contents.attachments = contents.attachments[:3]
    with RunReader(make_run(tmp_path / "run2", contents)) as reader:
        assert load(reader).end_ns == at(410)  # the last capture


def test_gaps_that_overlap_are_one_and_are_cut_to_the_window(tmp_path: Path) -> None:
    gaps = [(-50, 10), (100, 200), (150, 160), (190, 250), (590, 700), (300, 300)]
    losses = [Loss("not_running", at(b), at(e), 1) for i, (b, e) in enumerate(gaps)]
    with RunReader(make_run(tmp_path / "run", Contents(losses=losses))) as reader:
        run = load(reader)
    assert run.gaps == ((START_NS, at(10)), (at(100), at(250)), (at(590), at(600)))
    assert run.running_seconds == 430.0


def test_gaps_of_merged_runs_are_times_in_which_none_ran(tmp_path: Path) -> None:
    contents = sample()
    contents.losses = [Loss("partly_running", at(0), at(600), 1), Loss("not_running", at(10), at(20), 1)]
    with RunReader(make_run(tmp_path / "run", contents)) as reader:
        run = load(reader)
    assert (run.gaps, run.running_seconds) == (((at(10), at(20)),), 590.0)
