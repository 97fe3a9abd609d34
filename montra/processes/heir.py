"""The addresses of a worker that died, and what it answered once, for the one in its place.

A target that hands a monitor out goes on doing so only if the monitor stays where it was: libtorrent refuses a known ID
at another address until the old one has failed, which takes it minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from montra.endpoint.plan import AddressPlan
from zone_store.run.folder import RunError
from zone_store.run.join import predecessors
from zone_store.run.reader import RunReader

#: Where the monitor beside a target was: target ID -> (ip, port).
Places = Mapping[bytes, tuple[int, int]]


class Heir:
    """A plan that gives each target the pair that it had before, once and if it is free (fits `AddressPool`)."""

    def __init__(self, plan: AddressPlan, places: Places) -> None:
        self._plan = plan
        self._places = dict(places)

    def acquire(self, target_id: bytes, avoid: frozenset[int] = frozenset()) -> int | None:
        """Take the target's former pair, or else what the plan gives."""
        place = self._places.pop(target_id, None)
        if place is not None:
            local = self._plan.acquire_pair(target_id, *place)
            if local is not None:
                return local
        return self._plan.acquire(target_id, avoid)

    def release(self, local: int) -> None:
        """Give a pair back."""
        self._plan.release(local)

    def address(self, local: int) -> tuple[int, int]:
        """Return (ip, port) of a pair."""
        return self._plan.address(local)

    def group(self, local: int) -> int:
        """Return the /24 of a pair."""
        return self._plan.group(local)

    def is_own(self, ip: int, port: int) -> bool:
        """Tell whether an address is one of ours."""
        return self._plan.is_own(ip, port)

    def are_own(self, ip: NDArray[np.uint32], port: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Tell bool[n] which addresses are ours."""
        return self._plan.are_own(ip, port)


def places_left(shard: Path) -> dict[bytes, tuple[int, int]]:
    """Return where the monitors were that the last worker before this shard's left behind; none if it cannot be read.

    A predecessor that had no monitors yet is passed over.
    """
    for folder in predecessors(shard):
        try:
            with RunReader(folder) as reader:
                left = {
                    one.target_id: (one.monitor_ip, one.monitor_port)
                    for one in reader.attachments()
                    if one.monitor_port and not one.lost_ns
                }
        except RunError:
            continue
        if left:
            return left
    return {}


def answered_before(shard: Path) -> dict[bytes, int]:
    """Return the keys of which workers before this shard's were told because they answered them, and when.

    What was answered without a word in return is not stored, and so may be answered once more.
    """
    answered: dict[bytes, int] = {}
    for folder in reversed(predecessors(shard)):
        try:
            with RunReader(folder) as reader:
                answered |= {one.key: one.time_ns for one in reader.contents()}
        except RunError:
            continue
    return answered
