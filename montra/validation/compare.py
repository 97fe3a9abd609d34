"""Compares a sealed, attributed run with what real nodes logged: capture rate and accuracy of destinations."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from montra.validation.alive import closest_live
from montra.validation.census import completeness
from montra.validation.clustered import Clustered, clustered
from montra.validation.comparison import Comparison, Copies
from montra.validation.coverage import arrivals, by_target, coverage
from montra.validation.groups import causes, groups
from montra.validation.judge import WINDOW_S, Judged, Verdict, judge
from montra.validation.truth import Truth, load_truth
from montra.validation.wilson import wilson
from zone_store.captures import Lookups
from zone_store.run.reader import RunReader


def compare(
    run_folder: Path,
    truth: Path | Truth,
    *,
    since_ns: int = 0,
    until_ns: int = 0,
    window_s: float = WINDOW_S,
    lookups: Callable[[RunReader], Iterable[Lookups]] = RunReader.lookups,
) -> Comparison:
    """Compare a run that has been attributed with the truth: the folder of the lab it watched, or a truth of its own.

    since_ns: when the fleet was attached (the run's start if 0); until_ns: when the window ended (the run's end if 0);
    window_s: longest time from a command to the first copy of its lookup; lookups: returns those of the run, where it
    has none attributed in its folder yet. Raises RunError for a run that is unreadable or not analyzed, TruthError for
    a truth that is unreadable or incomplete.
    """
    name = str(truth) if isinstance(truth, Path) else truth.name
    truth = load_truth(truth) if isinstance(truth, Path) else truth
    judged = judge(run_folder, truth, since_ns=since_ns, until_ns=until_ns, window_s=window_s, lookups=lookups)
    return comparison_of(str(run_folder), name, truth, judged)


def comparison_of(run: str, name: str, truth: Truth, judged: Judged) -> Comparison:
    """Return what `compare` does, of lookups judged already; run, name: what the run and the truth are called."""
    verdicts = judged.verdicts
    captured = [verdict for verdict in verdicts if verdict.found is not None]
    rows = [verdict.found.row for verdict in verdicts if verdict.found is not None]
    misfiled = sum(row.maintenance for row in rows)
    searches = [verdict for verdict in verdicts if not verdict.lookup.announce]
    found_searches = sum(verdict.found is not None for verdict in searches)
    telling = [verdict for verdict in captured if verdict.lookup.told]
    nearest = closest_live(truth)
    beside = by_target(judged.attachments)
    inside = [node for node in truth.nodes.values() if judged.zone.contains(node.node_id)]
    return Comparison(
        run=run,
        truth=name,
        zone=str(judged.zone),
        since_ns=judged.since_ns,
        until_ns=judged.until_ns,
        ended=truth.reason,
        lookups=len(truth.lookups),
        skipped=truth.skipped,
        excluded=judged.excluded,
        keys=len({verdict.lookup.key for verdict in verdicts}),
        destinations=len({verdict.destination.node_id for verdict in verdicts}),
        capture=wilson(len(captured), len(verdicts)),
        capture_by_key=_by_key(verdicts, lambda verdict: verdict.found is not None),
        counted=wilson(len(captured) - misfiled, len(verdicts)),
        capture_lookups=wilson(found_searches, len(searches)),
        capture_announces=wilson(len(captured) - found_searches, len(verdicts) - len(searches)),
        told_apart=wilson(sum(one.found.row.agrees_with(one.lookup) for one in telling if one.found), len(telling)),
        destination=wilson(sum(verdict.observed is None for verdict in captured), len(captured)),
        destination_by_key=_by_key(captured, lambda verdict: verdict.observed is None),
        inferred=wilson(sum(verdict.inferred is None for verdict in captured), len(captured)),
        inferred_by_key=_by_key(captured, lambda verdict: verdict.inferred is None),
        unexplained=wilson(judged.counted - judged.explained, judged.counted),
        split=sum(bool(verdict.found.rest) for verdict in captured if verdict.found),
        misfiled=misfiled,
        copies=_copies([row.copies for row in rows]),
        causes=causes(verdicts),
        groups=groups(verdicts),
        reached_closest=wilson(sum(nearest[one.number] is one.destination for one in verdicts), len(verdicts)),
        coverage=coverage(inside, beside, judged.since_ns, judged.until_ns),
        arrivals=arrivals(inside, beside, max(judged.since_ns, truth.converged_ns), judged.until_ns),
        completeness=completeness(inside, beside, judged.crawls, judged.until_ns),
    )


def _by_key(verdicts: Iterable[Verdict], hit: Callable[[Verdict], bool]) -> Clustered:
    """Return the share of hits with the interval for lookups of one key that may share their fate."""
    sums: defaultdict[bytes, list[int]] = defaultdict(lambda: [0, 0])
    for verdict in verdicts:
        of_key = sums[verdict.lookup.key]
        of_key[0] += hit(verdict)
        of_key[1] += 1
    return clustered((hits, trials) for hits, trials in sums.values())


def _copies(copies: list[int]) -> Copies:
    if not copies:
        return Copies(math.nan, math.nan, {})
    return Copies(statistics.fmean(copies), statistics.median(copies), dict(sorted(Counter(copies).items())))
