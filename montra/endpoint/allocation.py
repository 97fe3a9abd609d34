"""Which free (address, port) slot the monitor beside a target takes, so that neighbours in ID order differ in /24.

Why: libtorrent keeps one contact of each exact IP in its table and one of each /24 in a bucket and in a lookup; with
monitors dealt round-robin in ID order over 16 /24s every monitor of a lookup is still met, at random it is four in five
(the project's testbed measurements). Targets come one by one and leave again, so the deal is made greedily:
the /24 whose nearest holder in ID order is farthest away.

Where clients keep one contact of each IP and no more in their whole table (Kad), an address is lent to one monitor at a
time, whatever its ports: its other slots stay free.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from zone_store.keyspace.order import IdOrder

#: Holders looked at on each side, in ID order; /24s not seen among them are equally good. A lookup meets 8 to 20 nodes.
WINDOW = 256
#: Holders looked at even when all /24s were seen, so that monitors that must share an IP are far apart as well.
NEAR = 16

_UNSEEN = WINDOW + 1
_LOW = (1 << 32) - 1


class Allocation:
    """The slots in use. A slot is rank * ports + port index; subnet i holds the address ranks begins[i]..begins[i+1]-1.

    most: slots of one address in use at once, 0 for all of them.

    Deterministic: the same calls give the same slots. All IDs are of one length. Memory is arrays: about 35 bytes for
    each slot in use, and for addresses and slots never used only what the pages shared with used ones hold.
    """

    def __init__(self, begins: list[int], ports: int, most: int = 0) -> None:
        self._begins = begins
        self._ports = ports
        self._most = min(most, ports) if most else ports
        self._holders = IdOrder(begins[-1] * ports)
        self._subnet_of_rank = np.repeat(np.arange(len(begins) - 1, dtype=np.int32), np.diff(begins))
        self._taken = np.zeros(begins[-1] * ports, np.bool_)  # by slot
        self._used = np.zeros(begins[-1], np.uint16)  # ports in use, by address rank
        self._load = array("i", bytes(4 * (len(begins) - 1)))
        # subnets with a free slot, least used first: load << 32 | subnet
        self._open = array("q", range(len(self._load)))
        # nearest holder of each subnet, in places of ID order; but for the length of a call all are unseen
        self._near = np.full(len(self._load), _UNSEEN, np.int16)

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, target_id: bytes, avoid_ranks: Set[int]) -> int | None:
        """Take a slot for a target, on none of the addresses `avoid_ranks`; None when nothing is free."""
        if not self._open:
            return None
        slots, distances = self._holders.around(target_id, WINDOW)
        ranks = slots // self._ports
        subnets = self._subnet_of_rank[ranks]
        self._near[subnets] = distances  # the farthest first, so that the nearest of each subnet stays
        try:
            avoided = {int(self._subnet_of_rank[rank]) for rank in avoid_ranks}
            subnet = self._best_subnet(avoided)
            if subnet is not None:
                rank = self._best_address(subnet, avoid_ranks, ranks, distances)
                return None if rank is None else self._hold(target_id, rank)
            for subnet in self._last_resorts(avoided):
                rank = self._best_address(subnet, avoid_ranks, ranks, distances)
                if rank is not None:
                    return self._hold(target_id, rank)
            return None
        finally:
            self._near[subnets] = _UNSEEN

    def take_slot(self, target_id: bytes, slot: int) -> bool:
        """Take one slot and no other for a target; False if it is not free, or there is none of this number."""
        if not 0 <= slot < len(self._taken) or self._taken[slot] or self._used[slot // self._ports] >= self._most:
            return False
        self._take(target_id, slot)
        return True

    def give_back(self, slot: int) -> None:
        """Free a slot; raises KeyError if nobody holds it."""
        if not 0 <= slot < len(self._taken) or not self._taken[slot]:
            raise KeyError(slot)
        self._holders.remove(slot)
        rank = slot // self._ports
        self._taken[slot] = False
        self._used[rank] -= 1
        subnet = int(self._subnet_of_rank[rank])
        self._set_load(subnet, self._load[subnet] - 1)

    def _hold(self, target_id: bytes, rank: int) -> int:
        first = rank * self._ports
        slot = first + int(np.argmin(self._taken[first : first + self._ports]))  # the lowest port not in use
        self._take(target_id, slot)
        return slot

    def _take(self, target_id: bytes, slot: int) -> None:
        rank = slot // self._ports
        subnet = int(self._subnet_of_rank[rank])
        self._taken[slot] = True
        self._used[rank] += 1
        self._holders.add(target_id, slot)
        self._set_load(subnet, self._load[subnet] + 1)

    def _set_load(self, subnet: int, load: int) -> None:
        capacity = (self._begins[subnet + 1] - self._begins[subnet]) * self._most
        if self._load[subnet] < capacity:
            del self._open[bisect_left(self._open, self._load[subnet] << 32 | subnet)]
        if load < capacity:
            insort(self._open, load << 32 | subnet)
        self._load[subnet] = load

    def _best_subnet(self, avoid: Set[int]) -> int | None:
        """Return the subnet with a free slot whose nearest holder is farthest, of equals the least used; not `avoid`.

        No more than 2 WINDOW subnets were seen: beyond so many, and the avoided, the first unseen one is among them.
        """
        first = np.frombuffer(self._open[: 2 * WINDOW + 1 + len(avoid)], np.int64) & _LOW
        near = self._near[first]
        if avoid:
            near[np.isin(first, list(avoid))] = -1
        best = int(near.argmax())
        return int(first[best]) if near[best] >= 0 else None

    def _last_resorts(self, avoid: Set[int]) -> list[int]:
        """Return the avoided subnets with a free slot, best first."""
        opened = {entry & _LOW: entry >> 32 for entry in self._open}
        found = sorted((-int(self._near[subnet]), opened[subnet], subnet) for subnet in avoid if subnet in opened)
        return [subnet for _, _, subnet in found]

    def _best_address(
        self, subnet: int, avoid: Set[int], ranks: NDArray[np.int64], distances: NDArray[np.int16]
    ) -> int | None:
        """Return an unused address of a subnet, else the one whose nearest holder in ID order is the farthest.

        ranks, distances: the neighbourhood, farthest first.
        """
        begin, end = self._begins[subnet], self._begins[subnet + 1]
        order = self._used[begin:end].astype(np.int64)
        order[order == self._most] = _LOW  # full
        for rank in avoid:
            if begin <= rank < end:
                order[rank - begin] = _LOW
        best = int(order.argmin())
        if order[best]:
            seen = (ranks >= begin) & (ranks < end) & (distances <= self._looked_at())
            near = np.full(end - begin, WINDOW, np.int64)
            near[ranks[seen] - begin] = distances[seen]
            order += (WINDOW - near) << 17
            best = int(order.argmin())
        return None if order[best] >= _LOW else begin + best

    def _looked_at(self) -> int:
        """Return how far to look for holders of an address: until every subnet with a free slot was seen."""
        if len(self._open) > 2 * WINDOW:
            return WINDOW
        farthest = int(self._near[np.frombuffer(self._open, np.int64) & _LOW].max())
        return max(NEAR, min(farthest, WINDOW))
