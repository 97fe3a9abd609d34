"""Which free (address, port) slot the monitor beside a target takes, so that neighbours in ID order differ in /24.

Why: libtorrent keeps one contact of each exact IP in its table and one of each /24 in a bucket and in a lookup; with
monitors dealt round-robin in ID order over 16 /24s every monitor of a lookup is still met, at random it is four in five
(the project's testbed measurements). Targets come one by one and leave again, so the deal is made greedily:
the /24 whose nearest holder in ID order is farthest away.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Set

#: Holders looked at on each side, in ID order; /24s not seen among them are equally good. A lookup meets 8 to 20 nodes.
WINDOW = 256
#: Holders looked at even when all /24s were seen, so that monitors that must share an IP are far apart as well.
NEAR = 16


class Allocation:
    """The slots in use. A slot is rank * ports + port index; subnet i holds the address ranks begins[i]..begins[i+1]-1.

    Deterministic: the same calls give the same slots. Memory grows with the slots in use and the subnets, no more.
    """

    def __init__(self, begins: list[int], ports: int) -> None:
        self._begins = begins
        self._ports = ports
        self._holders: list[tuple[bytes, int, int]] = []  # (target ID, slot, subnet), sorted
        self._target_of: dict[int, bytes] = {}
        self._ports_used: dict[int, int] = {}  # address rank -> bit mask of port indices
        self._load = [0] * (len(begins) - 1)
        # subnets with a free slot, least used first
        self._open: list[tuple[int, int]] = [(0, subnet) for subnet in range(len(self._load))]

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, target_id: bytes, avoid_ranks: Set[int]) -> int | None:
        """Take a slot for a target, on none of the addresses `avoid_ranks`; None when nothing is free."""
        near_subnets, near_ranks = self._neighbourhood(target_id)
        avoid_subnets = {self._subnet_of(rank) for rank in avoid_ranks}
        for subnet in self._by_preference(near_subnets, avoid_subnets):
            rank = self._best_address(subnet, avoid_ranks, near_ranks)
            if rank is not None:
                return self._hold(target_id, rank, subnet)
        return None

    def give_back(self, slot: int) -> None:
        """Free a slot; raises KeyError if nobody holds it."""
        rank, port = divmod(slot, self._ports)
        subnet = self._subnet_of(rank)
        holder = (self._target_of.pop(slot), slot, subnet)
        del self._holders[bisect_left(self._holders, holder)]
        mask = self._ports_used.pop(rank) & ~(1 << port)
        if mask:
            self._ports_used[rank] = mask
        self._set_load(subnet, self._load[subnet] - 1)

    def _hold(self, target_id: bytes, rank: int, subnet: int) -> int:
        mask = self._ports_used.get(rank, 0)
        free = ~mask & (mask + 1)  # the lowest port not in use
        self._ports_used[rank] = mask | free
        slot = rank * self._ports + free.bit_length() - 1
        self._target_of[slot] = target_id
        insort(self._holders, (target_id, slot, subnet))
        self._set_load(subnet, self._load[subnet] + 1)
        return slot

    def _subnet_of(self, rank: int) -> int:
        return bisect_right(self._begins, rank) - 1

    def _capacity(self, subnet: int) -> int:
        return (self._begins[subnet + 1] - self._begins[subnet]) * self._ports

    def _set_load(self, subnet: int, load: int) -> None:
        capacity = self._capacity(subnet)
        if self._load[subnet] < capacity:
            del self._open[bisect_left(self._open, (self._load[subnet], subnet))]
        if load < capacity:
            insort(self._open, (load, subnet))
        self._load[subnet] = load

    def _neighbourhood(self, target_id: bytes) -> tuple[dict[int, int], dict[int, int]]:
        """Return the distance in ID order to the nearest holder of each subnet and address rank near a target."""
        holders = self._holders
        at = bisect_left(holders, (target_id, 0, 0))
        subnets: dict[int, int] = {}
        ranks: dict[int, int] = {}
        unseen = len(self._open)
        for distance in range(1, WINDOW + 1):
            left, right = at - distance, at + distance - 1
            if (distance > NEAR and not unseen) or (left < 0 and right >= len(holders)):
                break
            for i in (left, right):
                if 0 <= i < len(holders):
                    _, slot, subnet = holders[i]
                    ranks.setdefault(slot // self._ports, distance)
                    if subnet not in subnets:
                        subnets[subnet] = distance
                        unseen -= self._load[subnet] < self._capacity(subnet)
        return subnets, ranks

    def _by_preference(self, near: dict[int, int], avoid: set[int]) -> Iterator[int]:
        """Yield the subnets with free slots, best first; those with an address tried in vain come last."""
        yield from (subnet for _, subnet in self._open if subnet not in near and subnet not in avoid)
        seen = [(-near.get(subnet, WINDOW), load, subnet) for load, subnet in self._open if subnet in near]
        last = [(-near.get(subnet, WINDOW + 1), load, subnet) for load, subnet in self._open if subnet in avoid]
        yield from (subnet for _, _, subnet in sorted(seen) if subnet not in avoid)
        yield from (subnet for _, _, subnet in sorted(last))

    def _best_address(self, subnet: int, avoid: Set[int], near: dict[int, int]) -> int | None:
        """Return an unused address of a subnet, else the one whose nearest holder in ID order is the farthest."""
        best: tuple[int, int, int] | None = None
        full = (1 << self._ports) - 1
        for rank in range(self._begins[subnet], self._begins[subnet + 1]):
            if rank in avoid:
                continue
            mask = self._ports_used.get(rank)
            if mask is None:
                return rank
            if mask != full:
                choice = (-near.get(rank, WINDOW), mask.bit_count(), rank)
                best = choice if best is None else min(best, choice)
        return None if best is None else best[2]
