"""One self-contained HTML page about one or more runs: it loads nothing, so it can be mailed, kept and printed.

Beside it stands a JSON file that says of every number on it where it comes from (see `analysis.page.trace`).
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from analysis.analyze import Job, analyze_all
from analysis.dictionary import dictionary_of
from analysis.given import Given
from analysis.over import over
from analysis.page.articles import article, overall
from analysis.page.files import write_figures
from analysis.page.render import render
from analysis.page.sections import Section
from analysis.privacy.suppress import suppress
from analysis.result import Analysis
from analysis.tables import SUMMARY, write_all, write_dictionary, write_json
from zone_store.run.folder import RunError, write_atomic

R = TypeVar("R")

PAGE = "report.html"
SCHEMA = 1
"""Of the numbers of several runs."""

MOST_IN_FULL = 4
"""More runs than these have a page each, and the page about all of them links to those."""


def report(
    folders: Sequence[Path],
    out_html: Path | None = None,
    given: Callable[[Path], Given] = lambda _: Given(),
    workers: int | None = None,
) -> Path:
    """Analyse runs, write their tables and figures, and one page about all of them; returns the page's path.

    out_html: the page; if None report.html in the run's folder, for several runs in the folder that holds the first of
    them. given: what `analyze` is to be told of a run; workers: processes, as in `analyze_all`. Runs may be of
    different overlays: each has the same chapters. Of more than `MOST_IN_FULL` runs each gets a page of its own, in its
    folder. What several runs tell together goes into the folder PAGE_files. Raises RunError as `analyze` does, and when
    the disk does not take the page; ValueError for no folders.
    """
    if not folders:
        raise ValueError("a report needs at least one run")
    page = page_of(folders) if out_html is None else out_html
    analyses = analyze_all([Job(folder, given(folder)) for folder in folders], workers)
    if len(analyses) == 1:
        return _alone(analyses[0], page)
    together = _with_files(page, analyses)
    keys = [f"run{i}" for i in range(1, len(analyses) + 1)]
    if len(analyses) <= MOST_IN_FULL:
        return write_page(page, _at_once(_with_figures, workers, keys, analyses), together)
    pages = _at_once(_alone, workers, analyses, [folder / PAGE for folder in folders])
    rows = [article(key, analysis, drawn=False) for key, analysis in zip(keys, analyses, strict=True)]
    return write_page(page, rows, together, [_link(one, page) for one in pages])


def page_of(folders: Sequence[Path]) -> Path:
    """Return where the page about these runs goes if nobody says."""
    return folders[0] / PAGE if len(folders) == 1 else folders[0].resolve().parent / PAGE


def write_page(
    page: Path, sections: Sequence[Section], together: Section | None = None, links: Sequence[str] = ()
) -> Path:
    """Write a page and what its numbers come from; returns the page's path. As `render`; raises RunError."""
    trace_file = page.with_suffix(".json")
    text, trace = render(sections, together, links, trace_file=trace_file.name)
    write_atomic(page, text.encode())
    write_atomic(trace_file, trace.document(page.name))
    return page


def _with_figures(key: str, analysis: Analysis, *, alone: bool = False) -> Section:
    section = article(key, analysis, alone=alone)
    write_figures(analysis.out / "figures", section.figures())
    return section


def _alone(analysis: Analysis, page: Path) -> Path:
    beside = page.parent.resolve() == analysis.out.parent.resolve()
    return write_page(page, [_with_figures("run1", analysis, alone=beside)])


def _with_files(page: Path, analyses: Sequence[Analysis]) -> Section:
    """Return the section about all runs, its tables, numbers and figures written beside the page."""
    folder = page.with_name(f"{page.stem}_files")
    found = over(analyses)
    section = overall(analyses, found, folder.name)
    least = max(one.given.least_people for one in analyses)
    tables = [suppress(table, least) for table in found.tables()]
    numbers = found.quantities()
    write_all(folder, tables)
    runs = [{"run": one.run.name, "manifest_sha256": one.run.digest} for one in analyses]
    quantities = {name: asdict(number) for name, number in numbers.items()}
    write_json(folder / SUMMARY, {"schema": SCHEMA, "runs": runs, "quantities": quantities})
    write_dictionary(folder, dictionary_of(tables, numbers, section.title))
    write_figures(folder / "figures", section.figures())
    return section


def _at_once(function: Callable[..., R], workers: int | None, *inputs: Sequence[object]) -> list[R]:
    """Return what a function makes of each run, several at a time, as drawing takes longest."""
    processes = min(len(inputs[0]), workers or len(os.sched_getaffinity(0)))
    if processes <= 1:
        return list(map(function, *inputs))
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(function, *inputs))


def _link(target: Path, page: Path) -> str:
    """Return a page as another links to it."""
    try:
        path = os.path.relpath(target.resolve(), page.resolve().parent)
    except OSError as error:
        raise RunError(f"cannot link to {target}: {error.strerror}") from error
    return quote(path)
