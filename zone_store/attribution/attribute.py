"""From a run's captures to its lookups, in one pass over the captures and in bounded memory.

All copies of one (source address, requester ID, key, kind) with no gap above the overlay's span are one lookup. Its
destination is the attachment whose target is at least XOR distance from the key among those whose monitor got a copy:
there the lookup ended (paper, section III). An announce is the second phase, after a lookup: a row of its own, of kind
ANNOUNCE.

Held in memory are the groups that a later copy could still join, one row for each group and monitor, and complete
lookups that began after such a group: what came within the span and the longest lookup before the newest copy. Neither
the sizes of the reader's batches nor those of the steps change the result.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from zone_store.attribution.chances import LAB, Chances
from zone_store.attribution.destination import Draft, lookups_of
from zone_store.attribution.groups import Groups
from zone_store.attribution.infer import Inference
from zone_store.attribution.maintenance import Marks, NodeIds, mark
from zone_store.attribution.stream import OpenGroups, Waiting
from zone_store.attribution.targets import Targets
from zone_store.captures import Attachment, Captures, Lookups
from zone_store.keyspace import ids as keyspace
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest

LONGEST_SPANS = 10
"""A lookup lasts at most so many spans; then the next copy begins another.

A client that asks again and again (aria2 without peers, every minute) would otherwise be one lookup of hours. Ten spans
of Mainline are ten minutes: longer than any one lookup, shorter than the common 15 minutes from announce to announce.
"""

RULE = 3
"""Version of the rules by which copies become lookups and lookups are marked; raised whenever they change.

2: long series are cut at the same copies whatever the steps; keys that are node IDs are marked. 3: the destination is
inferred, too; targets without a monitor count; requesters are told apart by ID instead of port.
"""

STEP_ROWS = 1 << 18
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

    def each_attachment(self) -> Iterator[Attachment]:
        """Yield all attachments of the run."""
        ...


class Rules(NamedTuple):
    """What decides which lookups captures become: the parameters of `attribute`."""

    span_ns: int
    refresh_bits: int
    own_ips: frozenset[int]
    longest_ns: int | None = None
    step_rows: int = STEP_ROWS
    contact_bits: tuple[tuple[int, int], ...] = ()
    chances: Chances = LAB
    contacts: int = 1
    buddies: frozenset[tuple[int, bytes]] = frozenset()


def attribute(
    reader: Source,
    *,
    span_ns: int,
    refresh_bits: int,
    own_ips: Collection[int] = (),
    contact_bits: Mapping[int, int] | None = None,
    contacts: int = 1,
    chances: Chances = LAB,
    longest_ns: int | None = None,
    step_rows: int = STEP_ROWS,
    dropped: dict[str, int] | None = None,
) -> Iterator[Lookups]:
    """Yield all lookups of a run in tables of any length.

    They are sorted by (time_ns, source_ip, source_port, key, kind, requester_id).

    span_ns: longest gap between copies of one lookup (`overlay.lookup_span_ns`); refresh_bits: as of the overlay,
    above the length of IDs where queries do not name their sender's; own_ips: host-order addresses that are ours, whose
    traffic is marked; contact_bits: leading bits of addresses of which a client takes only so few contacts into a
    lookup, by the first two bytes of its version; contacts: how few; chances: what is assumed of the network
    (`inference`); longest_ns: longest lookup, LONGEST_SPANS spans if None; step_rows: least number of
    copies to work on at once; dropped: gets counts of copies left out, by name. Raises RunError for damage in the store
    and for captures that are not in time order.
    """
    compared = tuple(sorted((contact_bits or {}).items()))
    rules = Rules(span_ns, refresh_bits, frozenset(own_ips), longest_ns, step_rows, compared, chances, contacts)
    targets = Targets(reader.each_attachment(), reader.manifest.id_bytes)
    return attribute_rows(reader.manifest, reader.captures(), targets, rules, {} if dropped is None else dropped)


def attribute_rows(
    manifest: Manifest, captures: Iterable[Captures], targets: Targets, rules: Rules, dropped: dict[str, int]
) -> Generator[Lookups, None, None]:
    """Yield the lookups of these batches of captures, as `attribute` does; no two tables share a time."""
    longest_ns = LONGEST_SPANS * rules.span_ns if rules.longest_ns is None else rules.longest_ns
    open_groups = OpenGroups(targets, rules.span_ns, longest_ns, manifest.id_bytes)
    waiting = Waiting()
    inference = Inference(targets, dict(rules.contact_bits), rules.chances, rules.contacts)
    marks = Marks(
        zone=Zone.parse(manifest.zone, manifest.id_bits),
        refresh_bits=rules.refresh_bits,
        own_ips=rules.own_ips,
        node_ids=NodeIds(np.concatenate([targets.ids, targets.monitor_ids])),
        buddies=rules.buddies,
    )

    def due(groups: Groups) -> Iterator[Lookups]:
        waiting.add(lookups_of(groups, targets))
        for ready in waiting.take_before(open_groups.earliest_ns):
            _complete(ready, targets, marks, inference)
            yield ready.finished()

    pending: list[Captures] = []
    rows = 0
    for batch in captures:
        pending.append(batch)
        rows += len(batch)
        # Never fewer than are held open: going through those once more then stays a constant factor.
        if rows >= max(rules.step_rows, len(open_groups)):
            step, pending, rows = Captures.concat(pending, manifest.id_bytes), [], 0
            yield from due(open_groups.step(step))
    yield from due(open_groups.step(Captures.concat(pending, manifest.id_bytes)))
    yield from due(open_groups.close())
    if open_groups.unknown:
        dropped[UNKNOWN_ATTACHMENT] = dropped.get(UNKNOWN_ATTACHMENT, 0) + open_groups.unknown


def _complete(draft: Draft, targets: Targets, marks: Marks, inference: Inference) -> None:
    """Fill in what needs the other targets: closest, rank, the inferred destination, and maintenance."""
    rows = draft.heard[:, 0].astype(np.intp)
    for part, attached in targets.stretches(draft.time_ns):
        piece = draft.between(part.start, part.stop)
        closest, rank = attached.place(piece.time_ns, piece.key, keyspace.take(targets.ids, rows[part]))
        draft.closest[part] = np.where(closest >= 0, targets.number[closest], 0)
        draft.rank[part] = np.minimum(rank, np.iinfo(np.uint16).max).astype(np.uint16)
        inference.fill(piece, attached)
        draft.inferred[part], draft.confidence[part] = piece.inferred, piece.confidence
    draft.maintenance = mark(draft, keyspace.take(targets.monitor_ids, rows), marks)
