"""Compares a sealed, attributed run with what the lab's nodes logged: capture rate and accuracy of destinations."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path

from montra.validation.attributed import Match, index_lookups, match
from montra.validation.census import completeness
from montra.validation.clustered import clustered
from montra.validation.comparison import Comparison, Copies
from montra.validation.coverage import arrivals, beside_node, by_target, coverage
from montra.validation.misses import why
from montra.validation.truth import Truth, TruthLookup, TruthNode, load_truth
from montra.validation.wilson import wilson
from zone_store.captures import Attachment
from zone_store.keyspace.zone import Zone
from zone_store.run.reader import RunReader

#: How long after the command a copy may still begin the lookup that it is matched with. The first copy comes within
#: milliseconds; a loaded machine, or a client that first waits out dead nodes, takes longer.
WINDOW_S = 60.0
#: The clocks are one clock, but the lab writes the time of the command just before giving it.
_EARLY_NS = 100_000_000
#: A lookup that meets silent monitors takes up to 2 s to ask the last of the nearest: one cut off is not counted.
_LASTS_NS = 3_000_000_000


def compare(
    run_folder: Path, truth_folder: Path, *, since_ns: int = 0, until_ns: int = 0, window_s: float = WINDOW_S
) -> Comparison:
    """Compare a run that has been attributed with the log of the lab it watched.

    since_ns: when the fleet was attached (the run's start if 0); until_ns: when the window ended (the run's end if 0);
    window_s: longest time from a command to the first copy of its lookup. Raises RunError for a run that is unreadable
    or not analyzed, TruthError for a truth that is unreadable or incomplete.
    """
    truth = load_truth(truth_folder)
    with RunReader(run_folder) as reader:
        manifest = reader.manifest
        zone = Zone.parse(manifest.zone, manifest.id_bits)
        attachments = reader.attachments()
        crawls = reader.crawls()
        since_ns = max(since_ns, manifest.start_ns)
        until_ns = min(end for end in (until_ns, manifest.end_ns, truth.end_ns) if end)
        keys = (lookup.key for lookup in truth.lookups)
        attributed = index_lookups(reader.lookups(), keys, since_ns, until_ns)
    # commands that are not judged explain what they brought about all the same
    matches = match(truth.lookups, attributed.by_asker, _EARLY_NS, int(window_s * 1e9))
    rows = [one.row for one in matches.values()]
    explained = sum(since_ns <= row.time_ns < until_ns and not row.maintenance for row in rows)
    judge = _Judge(truth, attachments)
    excluded: Counter[str] = Counter()
    for number, lookup in enumerate(truth.lookups):
        destination = truth.destination(lookup)
        reason = _exclusion(lookup, destination, zone, since_ns, until_ns)
        if reason:
            excluded[reason] += 1
        elif destination is not None:
            judge.judge(lookup, destination, matches.get(number))
    beside = by_target(attachments)
    inside = [node for node in truth.nodes.values() if zone.contains(node.node_id)]
    return Comparison(
        run=str(run_folder),
        truth=str(truth_folder),
        zone=str(zone),
        since_ns=since_ns,
        until_ns=until_ns,
        ended=truth.reason,
        lookups=len(truth.lookups),
        skipped=truth.skipped,
        excluded=dict(sorted(excluded.items())),
        keys=len(judge.capture_by_key),
        destinations=len(judge.destinations),
        capture=wilson(judge.captured.total(), judge.tried.total()),
        capture_by_key=clustered((sum(hits), len(hits)) for hits in judge.capture_by_key.values()),
        counted=wilson(judge.captured.total() - judge.misfiled, judge.tried.total()),
        capture_lookups=wilson(judge.captured[False], judge.tried[False]),
        capture_announces=wilson(judge.captured[True], judge.tried[True]),
        destination=wilson(judge.right, len(judge.copies)),
        destination_by_key=clustered((sum(hits), len(hits)) for hits in judge.right_by_key.values()),
        unexplained=wilson(attributed.counted - explained, attributed.counted),
        split=judge.split,
        misfiled=judge.misfiled,
        copies=_copies(judge.copies),
        capture_misses=dict(sorted(judge.capture_misses.items())),
        destination_misses=dict(sorted(judge.destination_misses.items())),
        reached_closest=wilson(judge.reached_closest, judge.tried.total()),
        coverage=coverage(inside, beside, since_ns, until_ns),
        arrivals=arrivals(inside, beside, max(since_ns, truth.converged_ns), until_ns),
        completeness=completeness(inside, beside, crawls, until_ns),
    )


class _Judge:
    """Counts, lookup by lookup. `tried` and `captured` are by whether the command was an announce."""

    def __init__(self, truth: Truth, attachments: list[Attachment]) -> None:
        self._truth = truth
        self._by_number = {attachment.number: attachment for attachment in attachments}
        self._beside = by_target(attachments)
        self._monitors = {(attachment.monitor_ip, attachment.monitor_port) for attachment in attachments}
        self.tried: Counter[bool] = Counter()
        self.captured: Counter[bool] = Counter()
        self.right = 0
        self.split = 0
        self.misfiled = 0
        self.reached_closest = 0
        self.copies: list[int] = []
        self.capture_by_key: defaultdict[bytes, list[bool]] = defaultdict(list)
        self.right_by_key: defaultdict[bytes, list[bool]] = defaultdict(list)
        self.destinations: set[bytes] = set()
        self.capture_misses: Counter[str] = Counter()
        self.destination_misses: Counter[str] = Counter()

    def judge(self, lookup: TruthLookup, destination: TruthNode, found: Match | None) -> None:
        """Take one lookup of the truth with the attributed lookup that is it, None if there is none."""
        self.tried[lookup.announce] += 1
        self.reached_closest += self._truth.closest_live(lookup) is destination
        self.destinations.add(destination.node_id)
        attributed = self._by_number.get(found.row.destination) if found else None
        self.capture_by_key[lookup.key].append(attributed is not None)
        if found is None or attributed is None:
            self.capture_misses[self._why(lookup, destination, None)] += 1
            return
        self.captured[lookup.announce] += 1
        self.split += found.parts > 0
        self.misfiled += found.row.maintenance
        self.copies.append(found.row.copies)
        # the ID decides: a target that was attached twice, or one ID at two addresses, is no mistake
        is_right = attributed.target_id == destination.node_id
        self.right_by_key[lookup.key].append(is_right)
        if is_right:
            self.right += 1
        else:
            self.destination_misses[self._why(lookup, destination, attributed)] += 1

    def _why(self, lookup: TruthLookup, destination: TruthNode, attributed: Attachment | None) -> str:
        return why(lookup, destination, beside_node(destination, self._beside), self._monitors, attributed).value


def _exclusion(
    lookup: TruthLookup, destination: TruthNode | None, zone: Zone, since_ns: int, until_ns: int
) -> str | None:
    """Name why a lookup cannot be judged, None if it can."""
    down_ns = lookup.requester.down_ns
    if not zone.contains(lookup.key):
        return "outside_zone"
    if lookup.t_ns < since_ns:
        return "before_attached"
    if lookup.t_ns + _LASTS_NS > until_ns:
        return "cut_off_by_end"
    if 0 < down_ns < lookup.t_ns + _LASTS_NS:
        return "requester_left"
    if destination is None:
        return "reached_nobody"
    return None


def _copies(copies: list[int]) -> Copies:
    if not copies:
        return Copies(math.nan, math.nan, {})
    return Copies(statistics.fmean(copies), statistics.median(copies), dict(sorted(Counter(copies).items())))
