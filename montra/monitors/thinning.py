"""Thin fleets: which targets go without a monitor, and the record of those.

The rule is by XOR neighbourhood. Cut the tree of IDs where a branch holds at most n known targets: such a branch is a
*group*, and of each group one target at least has a monitor. All members of the group around a key are nearer to the
key than anybody else, so with n of 8 or less the eight nearest nodes of a lookup hold a whole group, and a lookup that
reaches them meets a monitor. (Every n-th target in ID order leaves some lookups without: the eight nearest are not
neighbours in ID order. A hash of the ID leaves (1 - 1/n)**8 of them.) Groups hold 0.7 n targets on average.

A group depends on who is known now and on nothing else, so there is nothing to move when it changes: a newcomer gets a
monitor if its group has none, or if its coming divides a group and leaves a part without; when a monitored target goes,
the longest known one of its group is promoted. A monitor that is not handed out does not count for its group, so
another is promoted too. A monitor that stands is never taken away. Each event looks at n + 2 neighbours on each side in
ID order.

Targets without a monitor are *bare*: rows of columns here, 59 bytes each with a million of them, and attachments
without monitor in the store, so that attribution knows the whole population.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from montra.monitors.address_index import AddressIndex
from montra.monitors.roster import Target
from montra.monitors.table import beside
from montra.monitors.wheel import NEVER
from zone_store.captures import Attachment
from zone_store.keyspace.order import IdOrder

#: Why a bare target's attachment ended when it got a monitor.
PROMOTED = "promoted"


def monitored_share(every: int) -> float:
    """Return about which share of all targets has a monitor with groups of `every`, at most.

    Measured: 0.64 (2), 0.35 (4), 0.18 (8) of random IDs; a third more in a simulated network whose nodes come and go
    or hide their monitors, where groups come to have a second monitor here and there.
    """
    return 1.0 if every == 1 else 1 / (0.55 * every)


class Thinning:
    """All known targets of a fleet, monitored or bare, in ID order. Deterministic: it depends on the events alone.

    every: targets of a group at most; max_known: targets known at once; numbering: draws attachment numbers. A target
    is *chosen* when it has a monitor or waits for one. expected: IDs of targets that had a monitor before, and are
    chosen as soon as they come; for `patience_ns` after the first arrival of all their groups wait for them.
    """

    def __init__(
        self,
        every: int,
        max_known: int,
        numbering: Callable[[], int],
        expected: Iterable[bytes] = (),
        patience_ns: int = 0,
    ) -> None:
        self._every = every
        self._max_known = max_known
        self._numbering = numbering
        self._order = IdOrder(max_known)
        # pages never written to take no memory; views give plain integers fast
        ip, port = np.zeros(max_known, np.uint32), np.zeros(max_known, np.uint16)
        self._index = AddressIndex(ip, port)
        self._ip, self._port = ip.data, port.data
        self._version = np.zeros(max_known, np.uint32).data
        self._found_ns = np.zeros(max_known, np.int64).data
        self._changes = np.zeros(max_known, np.uint8).data
        self._chosen = np.zeros(max_known, np.bool_).data
        self._hidden = np.zeros(max_known, np.bool_).data  # chosen, and not handed out
        self._number = np.zeros(max_known, np.uint32)  # of the bare attachment, 0 = none
        self._unreported = np.zeros(max_known, np.bool_)
        self._slots = 0  # ever used
        self._idle = array("i")  # of these, the slots given back
        self._ended: list[Attachment] = []
        self.bare = 0
        self._expected = {node_id: self._take(node_id) for node_id in islice(dict.fromkeys(expected), max_known)}
        self._patience_ns = patience_ns
        self._patient_until_ns = 0

    def __len__(self) -> int:
        """Return the number of targets known or expected."""
        return len(self._order)

    def ids(self) -> NDArray[np.uint8]:
        """Return the IDs of all targets known or expected in ascending order, uint8[n, L]."""
        return self._order.ids()

    def id_at(self, ip: int, port: int) -> bytes | None:
        """Return the ID of the known target at an address."""
        slot = self._index.row_of(ip, port)
        return None if slot < 0 else self._order.id_of(slot)

    def at_ip(self, ip: int) -> int:
        """Return how many known targets are at an IP."""
        return self._index.at_ip(ip)

    def arrive(self, target: Target) -> list[Target] | None:
        """Take a target in at an address where none is known; returns who is to get a monitor for it.

        The newcomer itself, others of its group, or nobody; None if no more can be known.
        """
        if self._expected and not self._patient_until_ns:
            self._patient_until_ns = target.found_ns + self._patience_ns
        back = self._expected.pop(target.node_id, None)
        if back is None and len(self) == self._max_known:
            return None
        slot = self._take(target.node_id) if back is None else back
        self._ip[slot], self._port[slot] = target.ip, target.port
        self._version[slot], self._found_ns[slot] = target.version, target.found_ns
        self._changes[slot] = min(target.changes, 255)
        self._index.add(slot)
        if back is not None:
            return [target]
        self._chosen[slot] = False
        group, divided = self._around(target.node_id)
        chosen = [*self._cover(group), *self._cover(divided)]
        if not self._chosen[slot]:
            self._begin_bare(slot)
        return [target if one == slot else self._promoted(target.found_ns, one) for one in chosen]

    def leave(self, now_ns: int, ip: int, port: int, reason: str, node_id: bytes = b"") -> list[Target]:
        """Forget the target at an address, given an ID only that one; returns who is to get a monitor instead."""
        slot = self._index.row_of(ip, port)
        if slot < 0 or node_id not in (b"", self._order.id_of(slot)):
            return []
        self._end_bare(now_ns, slot, reason)
        self._index.remove(slot)
        return self._vacate(now_ns, slot)

    def due_ns(self) -> int:
        """Return when `tick` has something to do, NEVER for never."""
        return self._patient_until_ns if self._expected and self._patient_until_ns else NEVER

    def tick(self, now_ns: int) -> list[Target]:
        """Wait no longer for expected targets when it is time; returns who is to get a monitor in their places."""
        chosen: list[Target] = []
        if now_ns >= self.due_ns():
            slots, self._expected = list(self._expected.values()), {}
            for slot in slots:
                chosen += self._vacate(now_ns, slot)
        return chosen

    def judge(self, now_ns: int, ip: int, port: int, hidden: bool) -> list[Target]:
        """Note whether a monitored target keeps its monitor hidden; returns who is to get one beside it."""
        slot = self._index.row_of(ip, port)
        if hidden == self._hidden[slot]:
            return []
        self._hidden[slot] = hidden
        return [self._promoted(now_ns, one) for one in self._cover(self._around(self._order.id_of(slot))[0])]

    def refused(self, targets: Iterable[Target]) -> None:
        """Some of those chosen cannot wait for a monitor: they are bare."""
        for target in targets:
            slot = self._index.row_of(target.ip, target.port)
            self._chosen[slot] = False
            if not self._number[slot]:
                self._begin_bare(slot)

    def attached(self, now_ns: int, targets: Iterable[Target]) -> int:
        """Some of those chosen have their monitor now; returns how many of them were bare before."""
        before = self.bare
        for target in targets:
            self._end_bare(now_ns, self._index.row_of(target.ip, target.port), PROMOTED)
        return before - self.bare

    def take_changed(self) -> list[Attachment]:
        """Return the bare attachments that are new or ended since the last call."""
        slots = np.flatnonzero(self._unreported[: self._slots])
        taken = [*self._ended, *self._attachments(slots)]
        self._unreported[slots] = False
        self._ended = []
        return taken

    def end_all(self, now_ns: int, reason: str) -> Iterator[Attachment]:
        """End every bare attachment; returns these and all others not yet taken, by number. It is over then."""
        slots = np.flatnonzero(self._number[: self._slots])
        slots = slots[np.argsort(self._number[slots])]
        ended, self._ended = sorted(self._ended, key=lambda one: one.number), []
        return merge(ended, self._attachments(slots, now_ns, reason), key=lambda one: one.number)

    def _take(self, node_id: bytes) -> int:
        """Return a free slot, held by an ID and chosen."""
        if self._idle:
            slot = self._idle.pop()
        else:
            slot = self._slots
            self._slots += 1
        self._order.add(node_id, slot)
        self._chosen[slot], self._hidden[slot] = True, False
        return slot

    def _vacate(self, now_ns: int, slot: int) -> list[Target]:
        """Free a slot; returns who of its holder's group is to get a monitor."""
        left = self._order.id_of(slot)
        self._order.remove(slot)
        self._idle.append(slot)
        return [self._promoted(now_ns, one) for one in self._cover(self._around(left)[0])]

    def _around(self, node_id: bytes) -> tuple[list[int], list[int]]:
        """Return the group around an ID, and the group beside it if both would be one but for a single member.

        That is the other part of a group which the last arrival has divided.
        """
        left, right = self._order.beside(node_id, self._every + 2)
        number = int.from_bytes(node_id, "big")
        near = sorted(
            # the length in bits of the XOR distance says which branch they share
            ((int.from_bytes(self._order.id_of(slot), "big") ^ number).bit_length(), slot)
            for slot in (*left, *right)
        )
        if len(near) <= self._every:
            return [slot for _, slot in near], []
        beyond = max(1, near[self._every][0])  # equal IDs cannot be told apart
        group = [slot for bits, slot in near if bits < beyond]
        branch = [slot for bits, slot in near if bits <= beyond]
        return group, branch[len(group) :] if len(branch) == self._every + 1 else []

    def _cover(self, group: list[int]) -> list[int]:
        """Choose the longest known of a group where nobody is, or only who hides its monitor; returns it, or nobody."""
        free = [slot for slot in group if not self._chosen[slot]]
        if not free or any(self._chosen[slot] and not self._hidden[slot] for slot in group):
            return []
        # who was there for long will stay for long; the ID decides where times are equal
        slot = min(free, key=lambda one: (self._found_ns[one], self._order.id_of(one), one))
        self._chosen[slot] = True
        return [slot]

    def _promoted(self, now_ns: int, slot: int) -> Target:
        """Return a bare target as one to attach a monitor to, found now: until then its bare attachment stands."""
        node_id, ip, port = self._order.id_of(slot), self._ip[slot], self._port[slot]
        return Target(node_id, ip, port, self._version[slot], now_ns, changes=self._changes[slot])

    def _begin_bare(self, slot: int) -> None:
        self._number[slot] = self._numbering()
        self._unreported[slot] = True
        self.bare += 1

    def _end_bare(self, now_ns: int, slot: int, reason: str) -> None:
        """End the bare attachment of a target, if it has one."""
        if self._number[slot]:
            self._ended.extend(self._attachments(np.array([slot]), now_ns, reason))
            self._number[slot] = 0
            self._unreported[slot] = False
            self.bare -= 1

    def _attachments(self, slots: NDArray[np.intp], lost_ns: int = 0, reason: str = "") -> Iterator[Attachment]:
        """Yield the bare attachments of slots."""
        for slot in map(int, slots):
            node_id, ip, port = self._order.id_of(slot), self._ip[slot], self._port[slot]
            number, found_ns = int(self._number[slot]), self._found_ns[slot]
            known = (found_ns, 0, 0, (), lost_ns, reason, self._version[slot])
            yield Attachment(number, node_id, ip, port, beside(node_id), 0, 0, *known)
