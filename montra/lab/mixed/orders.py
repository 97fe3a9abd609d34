"""What the programs are told, by whom and when: Poisson arrivals at each, a key of its own for each search."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence

import msgspec

from montra.lab.clients.client import ClientError
from montra.lab.mixed.crowd import Member

#: After so long a search is given up: all but Transmission repeat theirs soon and for ever. The longest that any waits
#: for silent monitors before it announces is 99 s.
FORGET_S = 110.0


class Search(msgspec.Struct, frozen=True):
    """A member was told at `t_ns` to look a key up and announce itself under it."""

    t_ns: int
    member: int
    key: bytes


class Orders:
    """Gives each member its orders as they fall due, `per_s` on average. Times are seconds of the caller's clock.

    searches: those given; refused: orders that a program did not take.
    """

    def __init__(self, keys: Iterator[bytes], per_s: float, rng: random.Random) -> None:
        self.searches: list[Search] = []
        self.refused = 0
        self._keys = keys
        self._per_s = per_s
        self._rng = rng
        self._next: dict[int, float] = {}
        self._forget: list[tuple[float, int, bytes]] = []

    def poll(self, members: Sequence[Member], now_s: float, now_ns: int, open_until_s: float) -> None:
        """Give the orders that are due; no new searches after `open_until_s`."""
        if self._per_s and now_s < open_until_s:
            for number, member in enumerate(members):
                if not member.down_ns and member.settled_s <= now_s:
                    self._search(number, member, now_s, now_ns)
        while self._forget and self._forget[0][0] <= now_s:
            _, number, key = heapq.heappop(self._forget)
            if not members[number].down_ns:
                try:
                    members[number].client.forget(key)
                except (ClientError, OSError):
                    self.refused += 1

    def _search(self, number: int, member: Member, now_s: float, now_ns: int) -> None:
        at_s = self._next.setdefault(number, now_s + self._rng.expovariate(self._per_s))
        if at_s > now_s:
            return
        self._next[number] = now_s + self._rng.expovariate(self._per_s)
        key = next(self._keys, None)
        if key is None:
            return
        try:
            member.client.search(key)
        except (ClientError, OSError):
            self.refused += 1
            return
        self.searches.append(Search(now_ns, number, key))
        heapq.heappush(self._forget, (now_s + FORGET_S, number, key))
