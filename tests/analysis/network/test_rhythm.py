"""The rhythm of crawls: settled times, and the lag by which they miss a node."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.network.rhythm import rhythm_of
from zone_store.captures import CrawlRow

from ..samples import START_NS, Contents, at, run_of
from .crawled import EXPONENTIAL, World, see
from .test_stays import crawls

NOTHING = np.empty(0, np.int64)
NOBODY = np.empty(0, np.bool_)


def test_settled_from_the_second_calm_crawl_on_until_the_lag_before_the_end() -> None:
    # Found: 40 in the first crawl, 12 in the second, then one in each.
    found = np.array([at(s) for s in [*range(40), *range(61, 73), *range(130, 3600, 60)]], np.int64)
    until = np.full(len(found), at(3600))
    run = run_of(Contents(crawls=crawls(3600), minutes=60))
    rhythm = rhythm_of(run, found, until, np.zeros(len(found), np.bool_))
    (stretch,) = rhythm.stretches
    assert (rhythm.step_s, rhythm.lag, rhythm.shortest_s) == (60.0, 2, 150.0)
    assert ((stretch.from_ns - START_NS) / 1e9, (stretch.until_ns - START_NS) / 1e9) == (180, 3600 - 3 * 60)
    assert (stretch.seconds, rhythm.settled_s) == (3240, 3240)


def test_each_time_between_gaps_settles_anew() -> None:
    rows = [crawl for crawl in crawls(3600) if not at(1200) < crawl.end_ns <= at(1800)]
    run = replace(run_of(Contents(crawls=rows, minutes=60)), gaps=((at(1200), at(1800)),))
    assert [(s.from_ns, s.until_ns) for s in rhythm_of(run, NOTHING, NOTHING, NOBODY).stretches] == [
        (at(120), at(1200 - 180)),
        (at(1920), at(3600 - 180)),
    ]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_of_few_crawls_nothing_is_settled(count: int) -> None:
    run = run_of(Contents(crawls=crawls(60 * count), minutes=60))
    rhythm = rhythm_of(run, NOTHING, NOTHING, NOBODY)
    assert (rhythm.stretches, rhythm.settled_s) == ((), 0)
    assert math.isnan(rhythm.step_s) == (count < 2)
    if count < 2:
        assert rhythm.left_ns(np.array([at(900)])).tolist() == [at(900)]


def test_crawls_that_nobody_answered_do_not_count() -> None:
    rows = crawls(600)
    silent = CrawlRow(*(99, at(300), at(310), 0, 0), 0, 0, 0, 9, 0, 0.0, 0.0, 0.0, 0.0)
    assert len(rhythm_of(run_of(Contents(crawls=[*rows, silent])), NOTHING, NOTHING, NOBODY).begin_ns) == len(rows)


@pytest.mark.parametrize("more", [0, 1, 3])
def test_the_lag_shows_in_the_run_itself(more: int) -> None:
    """Who is given up so many crawls later still is dated back as much; nodes unknown to the fleet do no harm."""
    run = see(World(EXPONENTIAL, nodes=200, hours=2, moved=0, silent=0, renamed=0), 3).run
    held = run.attachments
    gone = held.named("gone")
    until = held.until_ns + np.where(gone, more * 60 * 10**9, 0)
    still = until >= run.end_ns
    odd = replace(run, crawls=tuple(replace(crawl, answered=crawl.answered + 17) for crawl in run.crawls))
    assert rhythm_of(odd, held.found_ns, np.minimum(until, run.end_ns), gone & ~still).lag == 2 + more


def test_what_the_crawler_was_told_counts_where_few_left() -> None:
    run = run_of(Contents(crawls=crawls(3600), minutes=60))
    run.manifest.parameters["crawl"] = {"gone_after": 4}
    assert rhythm_of(run, NOTHING, NOTHING, NOBODY).lag == 4
    run.manifest.parameters["crawl"] = {"gone_after": "many"}
    assert rhythm_of(run, NOTHING, NOTHING, NOBODY).lag == 2
