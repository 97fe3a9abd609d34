"""From a run's captures to its lookups, in one pass over the captures and in bounded memory.

All copies of one (source address, port, key, kind) with no gap above the overlay's span are one lookup. Its destination
is the attachment whose target is at least XOR distance from the key among those whose monitor got a copy: there the
lookup ended (paper, section III). An announce is the second phase, after a lookup: a row of its own, of kind ANNOUNCE.

Held in memory are the groups that a later copy could still join, one row for each group and monitor, and complete
lookups that began after such a group: what came within the span and the longest lookup before the newest copy. Neither
the sizes of the reader's batches nor those of the steps change the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.groups import Groups
from zone_store.attribution.maintenance import NodeIds, mark
from zone_store.attribution.stream import OpenGroups, Waiting
from zone_store.attribution.targets import Targets
from zone_store.attribution.words import fraction
from zone_store.captures import Attachment, Captures, Lookups
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest

LONGEST_SPANS = 10
"""A lookup lasts at most so many spans; then the next copy begins another.

A client that asks again and again (aria2 without peers, every minute) would otherwise be one lookup of hours. Ten spans
of Mainline are ten minutes: longer than any one lookup, shorter than the common 15 minutes from announce to announce.
"""

RULE = 2
"""Version of the rules by which copies become lookups and lookups are marked; raised whenever they change.

2: long series are cut at the same copies whatever the steps; keys that are node IDs are marked.
"""

STEP_ROWS = 1 << 16
"""Copies worked on at once, at least."""

UNKNOWN_ATTACHMENT = "attribution_unknown_attachment"
"""Under this name copies are counted whose attachment is not among the run's."""


class Source(Protocol):
    """What can be attributed: a `RunReader`, or anything with these of its members."""

    @property
    def manifest(self) -> Manifest:
        """Names the zone and the length of IDs."""
        ...

    def captures(self) -> Iterator[Captures]:
        """Yield batches of captures, in time order throughout."""
        ...

    def attachments(self) -> list[Attachment]:
        """Return all attachments of the run."""
        ...


def attribute(
    reader: Source,
    *,
    span_ns: int,
    refresh_bits: int,
    own_ips: Collection[int] = (),
    longest_ns: int | None = None,
    step_rows: int = STEP_ROWS,
    dropped: dict[str, int] | None = None,
) -> Iterator[Lookups]:
    """Yield all lookups of a run, sorted by (time_ns, source_ip, source_port, key, kind), in tables of any length.

    span_ns: longest gap between copies of one lookup (`overlay.lookup_span_ns`); refresh_bits: as of the overlay;
    own_ips: host-order addresses that are ours, whose traffic is marked; longest_ns: longest lookup, LONGEST_SPANS
    spans if None; step_rows: least number of copies to work on at once; dropped: gets counts of copies left out, by
    name. Raises RunError for damage in the store and for captures that are not in time order.
    """
    manifest = reader.manifest
    zone = Zone.parse(manifest.zone, manifest.id_bits)
    targets = Targets(reader.attachments(), manifest.id_bytes)
    open_groups = OpenGroups(targets, span_ns, LONGEST_SPANS * span_ns if longest_ns is None else longest_ns)
    waiting = Waiting()
    node_ids = NodeIds(np.concatenate([targets.ids, targets.monitor_ids]))

    def due(groups: Groups) -> Iterator[Lookups]:
        lookups = _lookups(groups, targets)
        lookups.maintenance = mark(
            lookups,
            targets.monitor_ids[targets.rows_of(lookups.destination)],
            zone=zone,
            refresh_bits=refresh_bits,
            own_ips=own_ips,
            node_ids=node_ids,
        )
        waiting.add(lookups)
        ready = waiting.take_before(open_groups.earliest_ns)
        if len(ready):
            yield ready

    pending: list[Captures] = []
    rows = 0
    for batch in reader.captures():
        pending.append(batch)
        rows += len(batch)
        # Never fewer than are held open: going through those once more then stays a constant factor.
        if rows >= max(step_rows, len(open_groups)):
            yield from due(open_groups.step(Captures.concat(pending, manifest.id_bytes)))
            pending, rows = [], 0
    yield from due(open_groups.step(Captures.concat(pending, manifest.id_bytes)))
    yield from due(open_groups.close())
    if dropped is not None and open_groups.unknown:
        dropped[UNKNOWN_ATTACHMENT] = dropped.get(UNKNOWN_ATTACHMENT, 0) + open_groups.unknown


def _lookups(groups: Groups, targets: Targets) -> Lookups:
    """Return complete groups as lookups by beginning, not yet marked."""
    order = np.argsort(groups.rows.begin_ns[groups.first], kind="stable")
    first, copies = groups.first[order], groups.copies[order]
    rows = groups.rows.take(first)
    ids = targets.ids[rows.target]
    closest, rank = targets.place(rows.begin_ns, rows.key, ids)
    return Lookups(
        time_ns=rows.begin_ns,
        last_ns=rows.time_ns,
        source_ip=rows.source_ip,
        source_port=rows.source_port,
        requester_id=rows.requester_id,
        key=rows.key,
        kind=rows.kind,
        flags=np.bitwise_or.reduceat(groups.rows.flags, groups.first)[order],
        version=rows.version,
        copies=np.minimum(copies, np.iinfo(np.uint16).max).astype(np.uint16),
        packets=np.add.reduceat(groups.rows.packets, groups.first, dtype=np.uint32)[order],
        destination=targets.number[rows.target],
        closest=closest,
        rank=np.minimum(rank, np.iinfo(np.uint16).max).astype(np.uint16),
        margin=_margin(groups, first, copies, targets),
        maintenance=np.zeros(len(rows), np.uint8),
    )


def _margin(groups: Groups, first: NDArray[np.intp], copies: NDArray[np.intp], targets: Targets) -> NDArray[np.float32]:
    """Return log2 of the runner-up's distance over the destination's, float32[g]; inf without a runner-up."""
    margin = np.full(len(first), np.inf, np.float32)
    several = copies > 1
    first = first[several]

    def distance(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        return fraction(keyspace.distance(targets.ids[groups.rows.target[rows]], groups.rows.key[rows]))

    with np.errstate(divide="ignore"):  # the key may be the destination's very ID: inf
        margin[several] = np.log2(distance(first + 1) / distance(first))
    return margin
