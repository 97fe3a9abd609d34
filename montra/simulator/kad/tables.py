"""Routing tables of the zone's nodes, as far as they reach into the zone: whom each node would hand out.

A contact is a row of the population, or that row plus n for the monitor of the node in this row, which nobody but the
node itself lists. A contact stands in a table while the node hands it out, type 2 or better and verified: for those who
are on their way there, see `upkeep`. All steps take arrays of nodes.

A table is a tree of bins of ten, in which the five leftmost zones of a level are split when they are full
(RoutingZone.cpp, `CanSplit`: KK = 5). So of the contacts that share exactly s bits with the node there are five bins:
distances that go on with 1000, 1001, 101, 110 and 111 after s zeros.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.simulator.kad.rules import BIN_CONTACTS
from montra.simulator.population import Nodes
from montra.simulator.tables import Rows, nearest_held, nearest_of, shared_bits
from zone_store.keyspace.zone import Zone

#: Bits beyond log2 of the live nodes that tables tell apart; two nodes share more with a chance of 1 in 16.
_SPARE_BITS = 4
#: The bins of a layer: distance after the shared bits, its length in bits; and which one each top four bits belong to.
_BINS = ((0b1000, 4), (0b1001, 4), (0b101, 3), (0b110, 3), (0b111, 3))
_BIN_OF = np.array([0, 1, 2, 2, 3, 3, 4, 4], np.int64)
#: Neighbours whom a newcomer hears of last and surely: those that its lookup of its own ID ends with.
NEIGHBOURS = 20
#: The leaf that a node's own ID falls into.
DEEPEST = -1
#: Contacts that a bin with a gap hears of, some of which it has: the first that it has not fills the gap.
_DRAWS = 4


class KadTables:
    """The tables of all `nodes`, in a zone with so many live ones that can be in tables.

    slots: int32[n, S], contacts, -1 = free; columns begin[b]:begin[b + 1] are of bin b, five bins a layer, the
    last layer also holding what shares more bits. listed: bool[n], the node hands its monitor out. known: rows that
    are up and answer, as of `survey`.
    """

    def __init__(self, nodes: Nodes, zone: Zone, live: int, rng: np.random.Generator) -> None:
        n = len(nodes)
        self.nodes = nodes
        self._rng = rng
        self._bits = zone.length
        self.layers = max(2, int(live).bit_length() + _SPARE_BITS)
        widths = []
        for layer in range(self.layers):
            for _, length in _BINS:
                mean = live / 2.0 ** (layer + length)
                widths.append(min(BIN_CONTACTS, int(np.ceil(mean + 5 * np.sqrt(mean))) + 1))
        self.begin = np.concatenate([[0], np.cumsum(widths)])
        self._widths = np.array(widths)
        self.slots = np.full((n, int(self.begin[-1])), -1, np.int32)
        self._drop = np.zeros_like(self.slots, np.int16)  # minute at which a silent contact goes, 0 = not known yet
        self.listed = np.zeros(n, np.bool_)
        self._heads = np.concatenate([nodes.head, nodes.head])  # a monitor's ID differs from its node's in the last bit
        self.known = np.zeros(0, np.int64)
        self._known_heads = np.zeros(0, np.uint64)
        self._answers = np.zeros(n, np.bool_)

    def survey(self, now_ns: int) -> None:
        """Take note of who is up."""
        self._answers = self.nodes.alive(now_ns) & self.nodes.reachable
        self.known = np.flatnonzero(self._answers)
        self._known_heads = self.nodes.head[self.known]

    def bin_of(self, rows: Rows, heads: NDArray[np.uint64]) -> Rows:
        """Return the bin of each node's table into which a contact falls, int64[m]."""
        distance = self.nodes.head[rows] ^ heads
        shared = np.minimum(shared_bits(distance), 60)
        top = (distance << shared.astype(np.uint64)) >> np.uint64(60)
        layer = np.clip(shared - self._bits, 0, self.layers - 1)
        number: Rows = layer * len(_BINS) + _BIN_OF[(top & np.uint64(7)).astype(np.int64)]
        return number

    def leaf(self, row: int, head: int) -> tuple[int, int]:
        """Return the leaf of a node's tree into which a contact falls, and how many contacts it holds.

        A bin's number, or DEEPEST for the leaf around the node itself, which spans all bins that it has no need of yet.
        Monitors are not counted.
        """
        own = int(self.nodes.head[row])
        held = self.slots[row]
        distances = self._heads[held[held >= 0]] ^ np.uint64(own)
        reach = 1 << (64 - self._bits)
        if len(distances) >= BIN_CONTACTS:
            tenth = int(np.partition(distances, BIN_CONTACTS - 1)[BIN_CONTACTS - 1])
            reach = 1 << max(tenth.bit_length() - 1, 0)  # with the tenth it would have been split
        if own ^ head < reach:
            return DEEPEST, int(np.count_nonzero(distances < np.uint64(reach)))
        number = int(self.bin_of(np.array([row]), np.array([head], np.uint64))[0])
        return number, int(np.count_nonzero(self.slots[row, self.begin[number] : self.begin[number + 1]] >= 0))

    def introduce(self, rows: Rows, count: int) -> None:
        """Let nodes know their neighbours and so many others, anybody, as in a network that has just been made."""
        for contacts in (*self.neighbours(rows).T, *self._rng.choice(self.known, (count, len(rows)))):
            self.add(rows[contacts >= 0], contacts[contacts >= 0])

    def settle(self, rows: Rows) -> None:
        """Fill the tables of nodes that have looked around: in each bin contacts drawn evenly from all who answer, all
        of them where there are few.
        """
        if not len(rows):
            return
        heads = self.nodes.head[rows]
        for number in range(len(self._widths)):
            layer, kind = divmod(number, len(_BINS))
            low, high = self._region(heads, self._bits + layer, *_BINS[kind])
            count = high - low
            width = int(self._widths[number])
            stride = np.maximum(count / np.maximum(np.minimum(width, count), 1), 1.0)
            # evenly spaced from a random start: distinct, and each equally likely
            start = self._rng.random(len(rows)) * np.maximum(count, 1)
            places = np.arange(width)
            step = (start[:, None] + places * stride[:, None]).astype(np.int64) % np.maximum(count, 1)[:, None]
            chosen = np.minimum(low[:, None] + step, max(len(self.known) - 1, 0))
            wanted = places < np.minimum(width, count)[:, None]
            columns = slice(int(self.begin[number]), int(self.begin[number + 1]))
            self.slots[rows, columns] = np.where(wanted, self.known[chosen], -1) if len(self.known) else -1
            self._drop[rows, columns] = 0
        for contacts in self.neighbours(rows).T:  # those too near for the layers
            there = contacts >= 0
            self.add(rows[there], contacts[there])

    def add(self, rows: Rows, contacts: Rows) -> None:
        """Let each node hand out a contact that it has found alive, if its bin has room."""
        if not len(rows):
            return
        order = np.argsort(rows, kind="stable")
        rows, contacts = rows[order], contacts[order]
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        turn = np.arange(len(rows)) - np.repeat(first, np.diff(first, append=len(rows)))
        for number in range(int(turn.max()) + 1):  # one contact for each node at a time
            these = turn == number
            self._add(rows[these], contacts[these])

    def sweep(self, rows: Rows, now_min: int, stay: NDArray[np.float64]) -> None:
        """Let nodes drop contacts that have long not answered, and fill the gaps.

        now_min: minutes since the beginning, positive; stay: float64[n], minutes for which a node is still trusted in
        the tables of others once it is gone (see `upkeep`). Gaps are filled by other nodes of the same bin, whom a node
        always hears of where there are many more than ten. Where there are few they have to make themselves known.
        """
        held = self.slots[rows]
        silent = (held >= 0) & ~self._answers[held]
        at, place = np.nonzero(silent)
        drop = self._drop[rows[at], place]
        fresh = drop == 0
        wait = self._rng.random(len(at)) * stay[held[at, place]]
        drop = np.where(fresh, now_min + 1 + wait.astype(np.int64), drop).astype(np.int16)
        self._drop[rows[at], place] = drop
        gone = drop <= now_min
        at, place = rows[at[gone]], place[gone]
        self.slots[at, place] = -1
        self._drop[at, place] = 0
        if len(at) and len(self.known):
            self._refill(at, np.searchsorted(self.begin, place, side="right") - 1)

    def neighbours(self, rows: Rows, count: int = NEIGHBOURS) -> Rows:
        """Return the nearest others who answer, int64[m, count], -1 where there are fewer."""
        heads = self.nodes.head[rows]
        return nearest_of(self.known, self._known_heads, heads, heads, count)

    def nearest(self, row: int, head: int, count: int) -> list[int]:
        """Return what a node answers to a key: its `count` nearest contacts, nearest first (`GetClosestTo`)."""
        own = int(self.nodes.head[row]) if self.listed[row] else None
        return nearest_held(self.slots[row], self._heads, head, count, row + len(self.nodes), own)

    def contacts(self, row: int) -> list[int]:
        """Return all contacts of a node in the zone, but for its monitor."""
        held = self.slots[row]
        found: list[int] = held[held >= 0].tolist()
        return found

    def clear(self, rows: Rows) -> None:
        """Forget the tables of nodes that are gone."""
        self.slots[rows] = -1
        self._drop[rows] = 0
        self.listed[rows] = False

    def _refill(self, rows: Rows, numbers: Rows) -> None:
        rows, numbers = np.repeat(rows, _DRAWS), np.repeat(numbers, _DRAWS)
        chosen = np.full(len(rows), -1, np.int64)
        for number in np.unique(numbers).tolist():
            these = np.flatnonzero(numbers == number)
            layer, kind = divmod(number, len(_BINS))
            low, high = self._region(self.nodes.head[rows[these]], self._bits + layer, *_BINS[kind])
            plenty = high - low > 2 * BIN_CONTACTS
            drawn = low + (self._rng.random(len(these)) * (high - low)).astype(np.int64)
            chosen[these[plenty]] = self.known[drawn[plenty]]
        self.add(rows[chosen >= 0], chosen[chosen >= 0])

    def _region(self, heads: NDArray[np.uint64], shared: int, pattern: int, length: int) -> tuple[Rows, Rows]:
        """Return the part of `known` whose distance from each of `heads` begins with `shared` zeros and a pattern."""
        tail = np.uint64(64 - shared - length)
        low = ((heads >> tail) ^ np.uint64(pattern)) << tail
        return np.searchsorted(self._known_heads, low), np.searchsorted(
            self._known_heads, low | ((np.uint64(1) << tail) - np.uint64(1)), side="right"
        )

    def _add(self, rows: Rows, contacts: Rows) -> None:
        number = self.bin_of(rows, self.nodes.head[contacts])
        places = self.begin[number][:, None] + np.arange(BIN_CONTACTS)
        within = np.arange(BIN_CONTACTS) < self._widths[number][:, None]
        held = self.slots[rows[:, None], np.where(within, places, 0)]
        fresh = ~((held == contacts[:, None]) & within).any(axis=1) & (rows != contacts)
        free = (held < 0) & within
        room = fresh & free.any(axis=1)
        where = places[np.arange(len(rows)), np.argmax(free, axis=1)]
        self.slots[rows[room], where[room]] = contacts[room]
        self._drop[rows[room], where[room]] = 0
