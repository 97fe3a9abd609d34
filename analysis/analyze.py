"""From run folders with lookups in to all numbers and tables: a partial for each run, put together by `over`."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from analysis.contents import chapter as contents
from analysis.engine.database import MEMORY
from analysis.engine.opening import opened
from analysis.given import Given
from analysis.imbalance import chapter as imbalance
from analysis.network import chapter as network
from analysis.popularity import chapter as popularity
from analysis.result import Analysis
from analysis.tables import write_tables
from analysis.traffic import chapter as traffic
from analysis.trust import chapter as trust

OUT = "analysis"
"""Folder of tables and figures in a run folder."""


_AS_IT_IS = Given()

_RUNS_EACH = 8
"""Runs that a process analyses, about, before another takes its place, with memory that is whole again."""


class Job(NamedTuple):
    """One run to analyse: its folder, what is told of it, and where its tables go (RUN/analysis if None)."""

    folder: Path
    given: Given = _AS_IT_IS
    out: Path | None = None


def analyze(
    folder: Path,
    out: Path | None = None,
    given: Given = _AS_IT_IS,
    *,
    threads: int | None = None,
    memory: str = MEMORY,
) -> Analysis:
    """Analyse an attributed run and write its tables into `out` (RUN/analysis); the same run gives the same bytes.

    A `validation.json` in the run folder (a comparison with the truth) corrects numbers where no canaries do. Works on
    unsealed runs, as far as they go, and on runs without a capture. threads, memory: of the engine. Raises RunError for
    a folder that is no run, has no lookups yet, or is damaged.
    """
    analysis = examine(folder, folder / OUT if out is None else out, given, threads, memory)
    write_tables(analysis)
    return analysis


def analyze_all(jobs: Sequence[Job], workers: int | None = None) -> list[Analysis]:
    """Analyse runs as `analyze` does, as many at a time as there are CPUs, or `workers`, each in a process of its own.

    The engines of all together take the memory of two.
    """
    cpus = len(os.sched_getaffinity(0))
    at_once = min(len(jobs), workers or cpus)
    if at_once <= 1:
        return [_analyze(job, cpus, MEMORY) for job in jobs]
    threads = max(1, cpus // at_once)
    memory = f"{max(512, 2 * 2048 // at_once)}MB"
    # A fork would share the locks of threads that numpy, Arrow and DuckDB have running.
    context = multiprocessing.get_context("spawn")
    # `max_tasks_per_child` would do the same with one pool, but such a pool stops for good when all of its processes
    # have had their share (python/cpython#115634).
    found: list[Analysis] = []
    for begin in range(0, len(jobs), at_once * _RUNS_EACH):
        some = jobs[begin : begin + at_once * _RUNS_EACH]
        with ProcessPoolExecutor(at_once, mp_context=context) as pool:
            found += pool.map(_analyze, some, [threads] * len(some), [memory] * len(some))
    return found


def examine(folder: Path, out: Path, given: Given, threads: int | None = None, memory: str = MEMORY) -> Analysis:
    """Return the analysis of one run, small and picklable; writes only lookups/ and keys.parquet into `out`."""
    with opened(folder, out, given, threads, memory) as source:
        return Analysis(
            run=source.run.light(),
            out=out,
            given=replace(given, words={}),  # a list of words can be large, and has done its work
            lookups_made=source.lookups_made,
            traffic=traffic.examine(source),
            popularity=popularity.examine(source),
            imbalance=imbalance.examine(source),
            network=network.examine(source),
            contents=contents.examine(source),
            trust=trust.examine(source),
        )


def _analyze(job: Job, threads: int, memory: str) -> Analysis:
    return analyze(job.folder, job.out, job.given, threads=threads, memory=memory)
