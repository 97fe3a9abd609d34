"""Routing tables of the zone's nodes, as far as they reach into the zone: whom each node would hand out.

A contact is a row of the population, or that row plus n for the monitor of the node in this row, which nobody but the
node itself lists. A contact stands in a table while the node hands it out: peers that are known but not handed out
(replacements, quarantine) are not in it. All steps take arrays of nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.simulator.population import Nodes
from montra.simulator.rules import RULES, bucket_limit
from montra.simulator.settings import Family
from zone_store.keyspace.zone import Zone

#: Bits beyond log2 of the live nodes that tables tell apart; two nodes share more with a chance of 1 in 16.
_SPARE_BITS = 4
#: Neighbours that learn of a node by its lookup of its own ID: those it asks (8 answers end a lookup, some are asked
#: beside them).
NEIGHBOURS = 12
#: Buckets of all families have eight contacts from this bit on (`rules.bucket_limit`); before it, a layer has room for
#: so many of libtorrent's last bucket.
_EVEN_BIT, _WIDE = 4, 64
#: Others that a node is told of where all have just been introduced (`montra.lab.network`), beside its nearest.
_INTRODUCED = 12
_LAST = np.uint64(2**64 - 1)

Rows = NDArray[np.int64]


class Tables:
    """The tables of all `nodes`.

    slots: int32[n, S], contacts, -1 = free; the columns of layer l, contacts that share zone.length + l bits with the
    node (the last layer: or more), are begin[l]:begin[l + 1]. last: int16[n], the layer at which libtorrent's last
    bucket begins: all deeper layers together have the room of one bucket. listed, waiting: bool[n], the node hands its
    monitor out, would if its last bucket were not full.
    """

    def __init__(
        self, nodes: Nodes, zone: Zone, live: int, rng: np.random.Generator, *, introduced: bool = False
    ) -> None:
        n = len(nodes)
        self.nodes = nodes
        self._rng = rng
        self._bits = zone.length
        self.layers = max(2, int(live).bit_length() + _SPARE_BITS)
        limits = [[bucket_limit(zone.length + layer, family) for layer in range(self.layers)] for family in Family]
        self._limit = np.array(limits, np.int64)  # [family, layer]
        # where libtorrent's last bucket is larger than eight, any layer may hold more of it
        width = np.maximum(self._limit.max(axis=0), _WIDE if zone.length < _EVEN_BIT or introduced else 0)
        self.begin = np.concatenate([[0], np.cumsum(width)])
        self._width = int(width.max())
        self._layer_of = np.repeat(np.arange(self.layers), width)
        self.slots = np.full((n, int(self.begin[-1])), -1, np.int32)
        # a table just made is one bucket, of which the zone's contacts are a part
        self.last = np.full(n, -1 if introduced else 0, np.int16)
        self.listed = np.zeros(n, np.bool_)
        self.waiting = np.zeros(n, np.bool_)
        self._heads = np.concatenate([nodes.head, nodes.head])  # a monitor's ID differs from its node's in the last bit
        self._shares_last = nodes.client == Family.LIBTORRENT
        self._inward = nodes.client == Family.ANACROLIX
        self.known = np.zeros(0, np.int64)  # rows that are up and answer, as of `survey`
        self._known_heads = np.zeros(0, np.uint64)
        self._answers = np.zeros(n, np.bool_)
        # nodes behind a NAT are in tables from a query of theirs until they are asked again: about half of the time
        self._seems_up = nodes.reachable | (rng.random(n) < 0.5)
        self._heard = np.zeros(0, np.uint64)
        every = np.array([RULES[family].ping_every_s * (RULES[family].patience - 0.5) for family in Family])
        self._notices_s = every[nodes.client]

    def survey(self, now_ns: int) -> None:
        """Take note of who is up."""
        alive = self.nodes.alive(now_ns)
        self._heard = self.nodes.head[alive & self._seems_up]
        self._answers = alive & self.nodes.reachable
        self.known = np.flatnonzero(self._answers)
        self._known_heads = self.nodes.head[self.known]

    def layer(self, rows: Rows, heads: NDArray[np.uint64]) -> Rows:
        """Return the layer of each node's table into which a contact falls, int64[m]."""
        return np.clip(shared_bits(self.nodes.head[rows] ^ heads) - self._bits, 0, self.layers - 1)

    def introduce(self, rows: Rows) -> tuple[Rows, Rows]:
        """Let nodes know their nearest and a few others, and those whom they ask when they look for something once, as
        in a network that has just been made (`montra.lab.network`).

        Return (rows, contacts) of those who have been asked and may take in who asked.
        """
        others = self.known[self._rng.integers(0, len(self.known), (len(rows), _INTRODUCED))]
        sought = self.nodes.head[self._rng.choice(self.known, len(rows))] ^ np.uint64(1)
        found = self._nearest_known(sought, sought, NEIGHBOURS)
        for contacts in (*self.neighbours(rows).T, *others.T, *found.T):
            self.add(rows[contacts >= 0], contacts[contacts >= 0])
        asked = np.concatenate([others, found], axis=1)
        at, place = np.nonzero(asked >= 0)
        return asked[at, place], rows[at]

    def meet(self, rows: Rows, contacts: Rows) -> None:
        """Let nodes and contacts that have asked and answered each other know each other."""
        self.add(rows, contacts)
        self.add(contacts, rows)

    def settle(self, rows: Rows) -> None:
        """Fill the tables of nodes that have looked around: in each layer contacts drawn evenly from all who answer,
        all of them where there are few.
        """
        heads, family = self.nodes.head[rows], self.nodes.client[rows]
        for layer in range(self.layers):
            low, high = _part(self._known_heads, heads, self._bits + layer, deeper=layer == self.layers - 1)
            count = high - low
            limit = self._limit[family, layer]
            width = int(self.begin[layer + 1] - self.begin[layer])
            places = np.arange(width)
            # evenly spaced from a random start: distinct, and each equally likely
            stride = np.maximum(count / np.maximum(np.minimum(limit, count), 1), 1.0)
            start = self._rng.random(len(rows)) * np.maximum(count, 1)
            chosen = (
                low[:, None]
                + (start[:, None] + places * stride[:, None]).astype(np.int64) % np.maximum(count, 1)[:, None]
            )
            contacts = self.known[np.minimum(chosen, len(self.known) - 1)] if len(self.known) else chosen * 0 - 1
            own = contacts == rows[:, None]
            wanted = (places < np.minimum(limit, count)[:, None]) & ~own
            self.slots[rows, self.begin[layer] : self.begin[layer + 1]] = np.where(wanted, contacts, -1)
        self._merge_last(rows)

    def add(self, rows: Rows, contacts: Rows) -> None:
        """Let each node hand out a contact that it has found alive, if its bucket has room."""
        while len(rows):
            first = np.unique(rows, return_index=True)[1]  # one contact for each node at a time
            self._add(rows[first], contacts[first])
            rows, contacts = np.delete(rows, first), np.delete(contacts, first)

    def remove(self, row: int, contact: int) -> None:
        """Let a node drop a contact."""
        place = np.flatnonzero(self.slots[row] == contact)
        self.slots[row, place] = -1

    def sweep(self, rows: Rows, passed_s: float) -> None:
        """Let nodes notice contacts that do not answer, as often as they ask, and fill the gaps.

        When a node asks a contact is a matter of its turn, so what it notices in `passed_s` is drawn. Gaps are filled
        by other peers of the same part of the ID space, whom a node always knows where there are many more than a
        bucket holds: all who look for something there ask it. Where there are few they have to make themselves known.
        """
        held = self.slots[rows]
        silent = (held >= 0) & ~self._answers[held]
        at, place = np.nonzero(silent)
        noticed = self._rng.random(len(at)) < -np.expm1(-passed_s / self._notices_s[rows[at]])
        at, place = rows[at[noticed]], place[noticed]
        self.slots[at, place] = -1
        layer = self._layer_of[place]
        plenty = np.zeros(len(at), np.bool_)
        chosen = np.zeros(len(at), np.int64)
        for number in np.unique(layer).tolist():
            these = np.flatnonzero(layer == number)
            low, high = _part(self._known_heads, self.nodes.head[at[these]], self._bits + number, deeper=False)
            plenty[these] = high - low > 2 * self._limit[self.nodes.client[at[these]], number]
            drawn = low + (self._rng.random(len(these)) * (high - low)).astype(np.int64)
            chosen[these] = np.minimum(drawn, len(self.known) - 1)
        if plenty.any():
            self.add(at[plenty], self.known[chosen[plenty]])

    def neighbours(self, rows: Rows) -> Rows:
        """Return the nearest others who answer, int64[m, NEIGHBOURS], -1 where there are fewer."""
        heads = self.nodes.head[rows]
        return self._nearest_known(heads, heads, NEIGHBOURS)

    def nearest(self, row: int, head: int, count: int) -> list[int]:
        """Return `closest` of one node and one key: the same, sooner."""
        if self._inward[row]:
            found = self.closest(np.array([row]), np.array([head], np.uint64), count)[0].tolist()
            return [contact for contact in found if contact >= 0]
        own = int(self.nodes.head[row]) if self.listed[row] else None
        return nearest_held(self.slots[row], self._heads, head, count, row + len(self.nodes), own)

    def closest(self, rows: Rows, heads: NDArray[np.uint64], count: int) -> Rows:
        """Return what nodes answer to keys: their `count` nearest contacts, int64[m, count], nearest first; -1 pads.

        Buckets are read from the key's own outwards, which by XOR is the same as all contacts in order.
        """
        n = len(self.nodes)
        monitors = np.where(self.listed[rows], rows + n, -1)
        held = np.concatenate([self.slots[rows], monitors[:, None].astype(np.int32)], axis=1)
        distance = self._heads[held] ^ heads[:, None]
        hidden = held < 0
        only_outwards = self._inward[rows]
        if only_outwards.any():  # anacrolix: no bucket deeper than the key's
            own = self.layer(rows, heads)[:, None]
            layers = np.append(self._layer_of, self.layers)[None, :]
            hidden |= only_outwards[:, None] & (layers > own)
        distance[hidden] = _LAST
        if held.shape[1] > count:
            near = np.argpartition(distance, count - 1, axis=1)[:, :count]
            distance = np.take_along_axis(distance, near, axis=1)
            held = np.take_along_axis(held, near, axis=1)
        order = np.argsort(distance, axis=1)
        held = np.take_along_axis(held, order, axis=1).astype(np.int64)
        return np.where(np.take_along_axis(distance, order, axis=1) == _LAST, -1, held)

    def attach(self, row: int) -> None:
        """The node has found its monitor alive: it hands it out, or has it wait until its last bucket has room."""
        if not self._shares_last[row] or self._has_room(np.array([row]))[0]:
            self.listed[row], self.waiting[row] = True, False
        else:
            self.waiting[row] = not self.listed[row]

    def detach(self, row: int) -> None:
        """The node no longer hands its monitor out."""
        self.listed[row] = self.waiting[row] = False

    def promote(self) -> None:
        """Let those who wait in where a last bucket has room: monitors come last, as their IDs do not fit their IPs."""
        rows = np.flatnonzero(self.waiting)
        rows = rows[self._has_room(rows)]
        if len(rows):
            for contacts in self.neighbours(rows).T:
                there = contacts >= 0
                self.add(rows[there], contacts[there])
            rows = rows[self._has_room(rows)]
        self.listed[rows], self.waiting[rows] = True, False

    def clear(self, rows: Rows) -> None:
        """Forget the tables of nodes that are gone."""
        self.slots[rows] = -1
        self.listed[rows] = self.waiting[rows] = False

    def _nearest_known(self, heads: NDArray[np.uint64], but: NDArray[np.uint64], count: int) -> Rows:
        return nearest_of(self.known, self._known_heads, heads, but, count)

    def _merge_last(self, rows: Rows) -> None:
        """Place libtorrent's last bucket: the first that holds all that is deeper.

        It splits only for an answer from somebody who was not heard of before, since who was heard of waits, and his
        answer does no more than mark him alive (routing_table.cpp, `add_node_impl`) [S]. So a bucket of eight that is
        the last stays so [M]. But the large first one, which knows the neighbourhood since the node's start, splits in
        a cascade until eight are left [M: in a network of two million as one node of 2.1.1 sees it, 32 of 36 tables had
        a place for the monitor in the last bucket].
        """
        rows = rows[self._shares_last[rows]]
        place = np.full(len(rows), self.layers - 1)
        for layer in reversed(range(self.layers)):
            low, high = _part(self._heard, self.nodes.head[rows], self._bits + layer, deeper=True)
            place[high - low - 1 <= self._limit[Family.LIBTORRENT, layer]] = layer
        self.last[rows] = place

    def _last_count(self, rows: Rows) -> Rows:
        """Return how many contacts libtorrent's last bucket holds, the monitor among them."""
        deep = self._layer_of[None, :] >= self.last[rows][:, None]
        return np.asarray(np.count_nonzero((self.slots[rows] >= 0) & deep, axis=1) + self.listed[rows], np.int64)

    def _has_room(self, rows: Rows) -> NDArray[np.bool_]:
        """Say whether libtorrent's last bucket has room."""
        last = self.last[rows]
        limit = np.where(last < 0, bucket_limit(0, Family.LIBTORRENT), self._limit[Family.LIBTORRENT, last])
        return np.asarray(self._last_count(rows) < limit, np.bool_)

    def _add(self, rows: Rows, contacts: Rows) -> None:
        layer = self.layer(rows, self.nodes.head[contacts])
        limit = self._limit[self.nodes.client[rows], layer]
        places = self.begin[layer][:, None] + np.arange(self._width)
        in_last = self._shares_last[rows] & (layer >= self.last[rows])  # which has a limit of its own
        limit = np.where(in_last, self.begin[layer + 1] - self.begin[layer], limit)
        within = np.arange(self._width) < limit[:, None]
        held = self.slots[rows[:, None], np.where(within, places, 0)]
        fresh = ~((held == contacts[:, None]) & within).any(axis=1) & (rows != contacts)
        free = (held < 0) & within
        rows, contacts, layer, places, free = (part[fresh] for part in (rows, contacts, layer, places, free))
        room = free.any(axis=1)
        shared = np.flatnonzero(self._shares_last[rows] & (layer >= self.last[rows]))
        if len(shared):
            room[shared] &= self._has_room(rows[shared])
        where = places[np.arange(len(rows)), np.argmax(free, axis=1)]
        self.slots[rows[room], where[room]] = contacts[room]


def nearest_held(
    slots: NDArray[np.int32], heads: NDArray[np.uint64], head: int, count: int, monitor: int, own: int | None
) -> list[int]:
    """Return the `count` contacts of one table nearest to a key, nearest first.

    slots: of the table, -1 = free; heads: of all contacts by row; head: of the key; monitor: the contact that stands
    for the monitor beside the table's node; own: the head of that node, None if it does not hand its monitor out.
    """
    held = slots[slots >= 0]
    distance = heads[held] ^ np.uint64(head)
    if len(held) > count:
        near = distance.argpartition(count - 1)[:count]
        held, distance = held[near], distance[near]
    contacts: list[int] = held[distance.argsort()].tolist()
    if own is not None:
        contacts.insert(int(np.count_nonzero(distance < np.uint64(own ^ head))), monitor)
    return contacts[:count]


def nearest_of(
    rows: Rows, sorted_heads: NDArray[np.uint64], heads: NDArray[np.uint64], but: NDArray[np.uint64], count: int
) -> Rows:
    """Return those of `rows`, with `sorted_heads` beside them, that are nearest to each of `heads`.

    int64[m, count], -1 where there are fewer; those whose head is the one in `but` are left out.
    """
    if not len(rows):
        return np.full((len(heads), count), -1, np.int64)
    # who shares more bits is nearer, and a neighbour in order of the IDs
    index = np.searchsorted(sorted_heads, heads)[:, None] + np.arange(-2 * count, 2 * count)
    valid = (index >= 0) & (index < len(rows))
    found = np.where(valid, index, 0)
    near = sorted_heads[found]
    distance = np.where(valid & (near != but[:, None]), near ^ heads[:, None], _LAST)
    order = np.argpartition(distance, count, axis=1)[:, :count]
    picked = rows[np.take_along_axis(found, order, axis=1)]
    return np.where(np.take_along_axis(distance, order, axis=1) == _LAST, -1, picked)


def _part(sorted_heads: NDArray[np.uint64], heads: NDArray[np.uint64], bits: int, *, deeper: bool) -> tuple[Rows, Rows]:
    """Return the interval of sorted IDs that share exactly `bits` bits with each of `heads`, at least so many if
    `deeper`.
    """
    shared = bits if deeper else bits + 1
    tail = np.uint64(64 - shared)
    base = heads if deeper else heads ^ np.uint64(1 << (63 - bits))
    low = base >> tail << tail if shared else np.zeros_like(base)
    high = low | np.uint64((1 << (64 - shared)) - 1)
    return np.searchsorted(sorted_heads, low), np.searchsorted(sorted_heads, high, side="right")


def shared_bits(xor: NDArray[np.uint64]) -> Rows:
    """Return the number of leading zero bits, int64[m], 64 for zero."""
    high = (xor >> np.uint64(32)).astype(np.float64)
    low = (xor & np.uint64(0xFFFFFFFF)).astype(np.float64)
    return np.where(high > 0, 32 - np.frexp(high)[1], 64 - np.frexp(low)[1]).astype(np.int64)
