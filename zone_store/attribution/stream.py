"""What attribution holds between one step and the next: groups still open, and lookups not yet due."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zone_store.attribution.groups import Copies, Groups, group
from zone_store.attribution.targets import Targets
from zone_store.captures import Captures, Lookups
from zone_store.keyspace import ids as keyspace
from zone_store.run.folder import RunError

_NEVER = np.iinfo(np.int64).min
_FOREVER = np.iinfo(np.int64).max


class OpenGroups:
    """The groups that a later copy could still join.

    earliest_ns: no group given out from now on begins before it; unknown: copies left out so far because their
    attachment is not among the targets.
    """

    def __init__(self, targets: Targets, span_ns: int, longest_ns: int) -> None:
        self.earliest_ns = _NEVER
        self.unknown = 0
        self._targets = targets
        self._span_ns = span_ns
        self._longest_ns = longest_ns
        self._newest_ns = _NEVER
        self._open: list[Copies] = []

    def __len__(self) -> int:
        return sum(len(part) for part in self._open)

    def step(self, captures: Captures) -> Groups:
        """Take the next captures and return the groups that are closed now; raises RunError if not in time order."""
        times = captures.time_ns
        if len(times):
            if times[0] < self._newest_ns or bool((times[1:] < times[:-1]).any()):
                raise RunError("captures are not in time order; `montra store verify` tells more")
            self._newest_ns = int(times[-1])
        target = self._targets.rows_of(captures.attachment)
        known = target >= 0
        self.unknown += int(np.count_nonzero(~known))
        copies = Copies.of(captures.take(known), target[known])
        groups = group(Copies.concat([*self._open, copies]), self._targets, self._span_ns, self._longest_ns)
        still_open = self._newest_ns - groups.rows.time_ns[groups.first] <= self._span_ns
        opened = groups.take(still_open).rows
        self._open = [opened]
        self.earliest_ns = int(opened.begin_ns.min(initial=self._newest_ns))
        return groups.take(~still_open)

    def close(self) -> Groups:
        """Return the groups still open: no copy follows."""
        groups = group(Copies.concat(self._open), self._targets, self._span_ns, self._longest_ns)
        self._open = []
        self.earliest_ns = _FOREVER
        return groups


class Waiting:
    """Lookups that are complete but not yet due, because one that began earlier may still come."""

    def __init__(self) -> None:
        self._parts: list[Lookups] = []

    def add(self, lookups: Lookups) -> None:
        """Take complete lookups, in any order."""
        self._parts.append(lookups)

    def take_before(self, time_ns: int) -> Lookups:
        """Return, sorted by (time_ns, source_ip, source_port, key, kind), the lookups that began before a time."""
        joined = concat(self._parts)
        due = joined.time_ns < time_ns
        self._parts = [joined.take(~due)]
        ready = joined.take(due)
        address = ready.source_ip.astype(np.uint64) << np.uint64(16) | ready.source_port
        return ready.take(np.lexsort((ready.kind, *keyspace.words(ready.key)[::-1], address, ready.time_ns)))


def concat(parts: list[Lookups]) -> Lookups:
    """Return one table of all parts (at least one), in order."""
    columns: list[NDArray[Any]] = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Lookups)]
    return Lookups(*columns)
