"""What attribution holds between one step and the next: groups still open, and lookups not yet due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.destination import Draft
from zone_store.attribution.groups import Groups, addresses, join
from zone_store.attribution.targets import Targets
from zone_store.captures import Captures, Lookups
from zone_store.keyspace import ids as keyspace
from zone_store.run.folder import RunError

_NEVER = np.iinfo(np.int64).min
_FOREVER = np.iinfo(np.int64).max

_FEW_PAIRS = 1 << 20
"""So many pairs of open groups and monitors, 8 MB, are not worth looking for repeated ones."""

MOST = 1 << 18
"""About so many lookups are given out at once."""

_EACH = 1 << 10
_NO_TIMES = np.empty(0, np.int64)


Table = TypeVar("Table", bound=Lookups)


class OpenGroups:
    """The groups that a later copy could still join.

    earliest_ns: no group given out from now on begins before it; unknown: copies left out so far because their
    attachment is not among the targets.
    """

    def __init__(self, targets: Targets, span_ns: int, longest_ns: int, id_bytes: int) -> None:
        self.earliest_ns = _NEVER
        self.unknown = 0
        self._targets = targets
        self._span_ns = span_ns
        self._longest_ns = longest_ns
        self._newest_ns = _NEVER
        self._open = Groups.of(Captures.empty(id_bytes), np.empty(0, np.int32))
        self._distinct_pairs = 0

    def __len__(self) -> int:
        return len(self._open)

    def step(self, captures: Captures) -> Groups:
        """Take the next captures and return the groups that are closed now; raises RunError if not in time order."""
        times = captures.time_ns
        if len(times):
            if times[0] < self._newest_ns or bool((times[1:] < times[:-1]).any()):
                raise RunError("captures are not in time order; `montra store verify` tells more")
            self._newest_ns = int(times[-1])
        target = self._targets.rows_of(captures.attachment)
        known = target >= 0
        if not known.all():
            self.unknown += int(np.count_nonzero(~known))
            captures, target = captures.take(known), target[known]
        groups = join(Groups.concat(self._open, Groups.of(captures, target)), self._span_ns, self._longest_ns)
        still_open = self._newest_ns - groups.last_ns <= self._span_ns
        self._keep(groups.where(still_open))
        return groups.where(~still_open)

    def close(self) -> Groups:
        """Return the groups still open: no copy follows."""
        groups, self._open = self._open, self._open.where(np.zeros(len(self._open), np.bool_))
        self.earliest_ns = _FOREVER
        return groups

    def _keep(self, opened: Groups) -> None:
        # Who repeats one query for minutes must cost no memory; but most pairs come once, so not at each step.
        if len(opened.owner) > 2 * self._distinct_pairs + _FEW_PAIRS:
            opened = opened.without_repeats()
            self._distinct_pairs = len(opened.owner)
        self._open = opened
        self.earliest_ns = int(opened.begin_ns.min(initial=self._newest_ns))


class Waiting:
    """Lookups that are complete but not yet due, because one that began earlier may still come."""

    def __init__(self) -> None:
        self._parts: list[Draft] = []

    def add(self, lookups: Draft) -> None:
        """Take complete lookups by rising time_ns."""
        if len(lookups):
            self._parts.append(lookups)

    def take_before(self, time_ns: int) -> Iterator[Draft]:
        """Yield the lookups that began before a time, in order (`in_order`).

        In tables of about MOST rows at most, and never with the same time in two of them.
        """
        while True:
            counts = [int(np.searchsorted(part.time_ns, time_ns)) for part in self._parts]
            sample = np.concatenate(
                [part.time_ns[:count:_EACH] for part, count in zip(self._parts, counts, strict=True)] or [_NO_TIMES]
            )
            if not len(sample):
                return
            sample.sort()
            until_ns = int(sample[MOST // _EACH]) + 1 if len(sample) > MOST // _EACH else time_ns
            yield in_order(concat(self._split_off(until_ns)))

    def _split_off(self, time_ns: int) -> list[Draft]:
        due, kept = [], []
        for part in self._parts:
            count = int(np.searchsorted(part.time_ns, time_ns))
            if count:
                due.append(part.between(0, count))
            if count < len(part):
                kept.append(part.between(count, len(part)))
        self._parts = kept
        return due


def in_order(lookups: Table) -> Table:
    """Return lookups sorted by (time_ns, source_ip, source_port, key, kind, requester_id)."""
    order = np.argsort(lookups.time_ns, kind="stable")
    time = lookups.time_ns[order]
    tied = time[1:] == time[:-1]
    if tied.any():
        # Times in nanoseconds seldom meet: only those that do are sorted by all columns.
        at = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        rows = order[at]
        address = addresses(lookups.source_ip[rows], lookups.source_port[rows], np.zeros(len(rows), np.uint8))
        key, requester = (keyspace.words(keyspace.take(ids, rows))[::-1] for ids in (lookups.key, lookups.requester_id))
        order[at] = rows[np.lexsort((*requester, lookups.kind[rows], *key, address, time[at]))]
    return lookups.take(order)


def concat(parts: list[Table]) -> Table:
    """Return one table of all parts (at least one), in order."""
    if len(parts) == 1:
        return parts[0]
    kind = type(parts[0])
    columns: list[NDArray[Any]] = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(kind)]
    return kind(*columns)
