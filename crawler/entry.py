"""The way into the zone: bootstrap nodes, and a few helpers outside that are nearer to it."""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from crawler.overlay import CrawlContact
from crawler.pace import Address
from crawler.settings import CrawlSettings, nanoseconds
from zone_store.keyspace.ids import common_prefix_length
from zone_store.keyspace.zone import Zone

#: Helpers asked at the start of each crawl, each for another random ID of the zone; candidates asked at a time; and
#: nodes of the zone whose answers say that a crawl has got into it.
START_POINTS = 8

#: Bootstrap nodes asked at once: a file of nodes may name thousands.
_MOST_BOOTSTRAP = 64


class Entry:
    """Iterative lookups towards random IDs of the zone, nearest candidates first, in bounded number.

    A helper is a node outside the zone that answered. Candidates are contacts outside that somebody named; they are
    tried, nearest to the zone first, only while the crawl has not got into the zone or helpers are few.
    ids: of bootstrap nodes, as far as they are known. One that stays silent may have taken another since: the next
    time it is asked without.
    """

    def __init__(
        self,
        zone: Zone,
        settings: CrawlSettings,
        bootstrap: Sequence[Address],
        rng: random.Random,
        ids: Mapping[Address, bytes],
    ) -> None:
        self.bootstrap = frozenset(bootstrap)
        self._order = tuple(dict.fromkeys(bootstrap))
        self._at_once = min(len(self._order), _MOST_BOOTSTRAP)
        self._ids = {address: node_id for address, node_id in ids.items() if address in self.bootstrap}
        self._zone = zone
        self._anchor = zone.low()
        self._rng = rng
        self._max_helpers = settings.max_helpers
        self._every_ns = nanoseconds(settings.bootstrap_every_s)
        self._bootstrap_due_ns = 0
        self._helpers: dict[Address, tuple[int, bytes]] = {}  # nearness, ID
        self._candidates: list[tuple[int, int, Address, bytes]] = []
        self._sequence = 0
        self._tried: dict[Address, bytes] = {}  # with the ID expected there
        self._rest_ns = nanoseconds(settings.silent_s)
        self._resting: OrderedDict[Address, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._helpers)

    def begin(self, now_ns: int, alone: bool) -> list[Address]:
        """Start a crawl; return whom to ask first. `alone`: the zone did not answer last time, or was never asked."""
        self._candidates = []
        helpers = list(self._helpers)
        first = self._rng.sample(helpers, min(START_POINTS, len(helpers)))
        if alone or now_ns >= self._bootstrap_due_ns:
            self._bootstrap_due_ns = now_ns + self._every_ns
            # drawn only where there are too many of them
            few = self._at_once == len(self._order)
            first.extend(self._order if few else self._rng.sample(self._order, self._at_once))
        self._tried = {address: self._known_id(address) for address in first}
        return first

    def id_of(self, address: Address) -> bytes:
        """Return the ID expected at an address that `begin` or `next` gave in this crawl, b"" if not known."""
        return self._tried.get(address, b"")

    def enough(self, known: int) -> int:
        """Return how many nodes of the zone must answer for a crawl to have got into it, when `known` are known."""
        return min(START_POINTS, known) if known else START_POINTS

    def wants(self, under_way: int, outside: bool) -> bool:
        """Tell whether a candidate should be asked: the crawl is still outside the zone, or helpers are few."""
        return under_way < START_POINTS and (outside or len(self._helpers) < START_POINTS)

    def offer(self, contacts: Iterable[CrawlContact]) -> None:
        """Remember contacts outside the zone as candidates of this crawl."""
        for node_id, ip, port in contacts:
            self._sequence += 1
            heapq.heappush(self._candidates, (-self._nearness(node_id), self._sequence, (ip, port), node_id))
        if len(self._candidates) > 8 * self._max_helpers:
            self._candidates = heapq.nsmallest(4 * self._max_helpers, self._candidates)

    def answered(self, address: Address, node_id: bytes) -> None:
        """Keep a node outside the zone as helper; bootstrap nodes serve everybody and are spared."""
        if address in self.bootstrap:
            self._ids[address] = node_id
            return
        self._helpers[address] = self._nearness(node_id), node_id
        if len(self._helpers) > self._max_helpers:
            del self._helpers[min(self._helpers, key=lambda helper: self._helpers[helper][0])]

    def entered(self, address: Address, node_id: bytes) -> None:
        """Drop a helper that turned out to be in the zone."""
        self._helpers.pop(address, None)
        if address in self.bootstrap:
            self._ids[address] = node_id

    def silent(self, now_ns: int, address: Address) -> None:
        """Drop a helper or candidate that did not answer, and let it rest."""
        self._helpers.pop(address, None)
        self._ids.pop(address, None)
        self._resting[address] = now_ns + self._rest_ns
        if len(self._resting) > 8 * self._max_helpers:
            self._resting.popitem(last=False)

    def next(self, now_ns: int) -> Address | None:
        """Take the candidate nearest to the zone that was not tried in this crawl; None if there is none, or enough."""
        while self._candidates and len(self._tried) < self._max_helpers + self._at_once:
            _, _, address, node_id = heapq.heappop(self._candidates)
            if address not in self._tried and self._resting.get(address, 0) <= now_ns:
                self._tried[address] = node_id
                return address
        return None

    def _known_id(self, address: Address) -> bytes:
        return self._ids.get(address) or self._helpers.get(address, (0, b""))[1]

    def _nearness(self, node_id: bytes) -> int:
        return min(common_prefix_length(node_id, self._anchor), self._zone.length)
