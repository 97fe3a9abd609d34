"""Each lookup of the truth beside the attributed lookup that is it: captured or not, right or not, and why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from montra.validation.attributed import Attributed, Match, index_lookups, match
from montra.validation.coverage import beside_node, by_target
from montra.validation.misses import Miss, why_not_captured, why_wrong
from montra.validation.truth import Truth, TruthLookup, TruthNode
from zone_store.captures import Attachment, CrawlRow, Lookups
from zone_store.keyspace.zone import Zone
from zone_store.run.reader import RunReader

#: How long after the command a copy may still begin the lookup that it is matched with. The first copy comes within
#: milliseconds; a loaded machine, or a client that first waits out dead nodes, takes longer.
WINDOW_S = 60.0
#: The clocks are one clock, but the lab writes the time of the command just before giving it.
_EARLY_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """One lookup of the truth, judged.

    destination: the node nearest to the key that received it; found: the attributed lookup that is it, None if not
    captured; capture, observed, inferred: why it was not captured, or its observed or inferred destination is another
    node; None where all is well, and for destinations of what was not captured.
    """

    number: int
    lookup: TruthLookup
    destination: TruthNode
    found: Match | None
    capture: Miss | None
    observed: Miss | None
    inferred: Miss | None


@dataclass(frozen=True, slots=True)
class Judged:
    """All verdicts on a run, and what they rest on.

    since_ns, until_ns: judged are lookups begun within; excluded: lookups left out, by reason; counted: users' lookups
    that analysis counts within that time; explained: of them, those that a command of the truth explains.
    """

    zone: Zone
    since_ns: int
    until_ns: int
    attachments: list[Attachment]
    crawls: list[CrawlRow]
    verdicts: list[Verdict]
    excluded: dict[str, int]
    counted: int
    explained: int


def judge(
    run_folder: Path,
    truth: Truth,
    *,
    since_ns: int = 0,
    until_ns: int = 0,
    window_s: float = WINDOW_S,
    lookups: Callable[[RunReader], Iterable[Lookups]] = RunReader.lookups,
) -> Judged:
    """Judge each lookup of the truth for a key in the run's zone; arguments and errors as those of `compare`."""
    with RunReader(run_folder) as reader:
        manifest = reader.manifest
        zone = Zone.parse(manifest.zone, manifest.id_bits)
        attachments = reader.attachments()
        crawls = reader.crawls()
        since_ns = max(since_ns, manifest.start_ns)
        until_ns = min(end for end in (until_ns, manifest.end_ns or reader.newest_ns(), truth.end_ns) if end)
        attributed = index_lookups(lookups(reader), truth.lookups, since_ns, until_ns)
    window_ns = int(window_s * 1e9)
    # commands that are not judged explain what they brought about all the same
    matches = match(truth.lookups, attributed.by_asker, _EARLY_NS, window_ns)
    judge_one = _Judge(attachments, attributed, window_ns)
    excluded: Counter[str] = Counter()
    verdicts = []
    for number, lookup in enumerate(truth.lookups):
        destination = truth.destination(lookup)
        reason = _exclusion(lookup, destination, zone, since_ns, until_ns, truth.lasts_ns)
        if reason:
            excluded[reason] += 1
        elif destination is not None:
            verdicts.append(judge_one(number, lookup, destination, matches.get(number)))
    explained = _explained(matches, since_ns, until_ns)
    in_order = dict(sorted(excluded.items()))
    return Judged(zone, since_ns, until_ns, attachments, crawls, verdicts, in_order, attributed.counted, explained)


class _Judge:
    """Judges one lookup after the other."""

    def __init__(self, attachments: list[Attachment], attributed: Attributed, window_ns: int) -> None:
        self._by_number = {attachment.number: attachment for attachment in attachments}
        self._beside = by_target(attachments)
        self._monitors = {(one.monitor_ip, one.monitor_port) for one in attachments if one.monitor_port}
        self._rows = attributed.by_asker
        self._window_ns = window_ns

    def __call__(self, number: int, lookup: TruthLookup, destination: TruthNode, found: Match | None) -> Verdict:
        beside = beside_node(destination, self._beside)
        observed = self._by_number.get(found.row.destination) if found else None
        if found is None or observed is None:
            rows = self._rows.get((lookup.requester.ip, lookup.requester.port, lookup.key), ())
            miss = why_not_captured(lookup, beside, self._monitors, rows, self._window_ns)
            return Verdict(number, lookup, destination, None, miss, None, None)
        inferred = self._by_number.get(found.row.inferred, observed)
        wrong = [
            # the ID decides: a target that was attached twice, or one ID at two addresses, is no mistake
            None
            if one.target_id == destination.node_id
            else why_wrong(lookup, destination, beside, self._monitors, one)
            for one in (observed, inferred)
        ]
        if wrong[1] is not None and wrong[0] is None:
            wrong[1] = Miss.INFERENCE
        return Verdict(number, lookup, destination, found, None, *wrong)


def _explained(matches: dict[int, Match], since_ns: int, until_ns: int) -> int:
    """Return how many of the lookups that analysis counts are a command's."""
    rows = [one.row for one in matches.values()]
    # rTorrent's get_peers follows its find_node to those that answered: both are the command's
    rows += [row for one in matches.values() if one.row.node_lookup for row in one.rest]
    return sum(since_ns <= row.time_ns < until_ns and not row.maintenance and not row.node_lookup for row in rows)


def _exclusion(
    lookup: TruthLookup, destination: TruthNode | None, zone: Zone, since_ns: int, until_ns: int, lasts_ns: int
) -> str | None:
    """Name why a lookup cannot be judged, None if it can."""
    down_ns = lookup.requester.down_ns
    if not zone.contains(lookup.key):
        return "outside_zone"
    if lookup.t_ns < since_ns:
        return "before_attached"
    if lookup.t_ns + lasts_ns > until_ns:
        return "cut_off_by_end"
    if 0 < down_ns < lookup.t_ns + lasts_ns:
        return "requester_left"
    if destination is None:
        return "reached_nobody"
    return None
