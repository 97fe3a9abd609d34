"""Monitors of others in the tables of the zone's nodes: named in answers, kept until they are found silent.

A client takes contacts that it is named into its table, unproved, and says HELLO to each when its turn comes. A monitor
does not answer strangers, so it goes minutes later. Until then it counts against the limits of one contact of an IP,
two of a /24 in a bin and ten in the table, and what these forbid the client does not ask either (RoutingBin.cpp,
`AddContact`; RoutingZone.cpp, `IsAcceptableContact`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from montra.simulator.kad.keepers import Met
from montra.simulator.kad.rules import (
    BIN_CONTACTS,
    BIN_SUBNET,
    HELLO_WAIT_NS,
    TABLE_SUBNET,
    TIMER_NS,
)
from montra.simulator.kad.searches import Contact
from montra.simulator.kad.tables import DEEPEST, KadTables


class _Guest(NamedTuple):
    """One of them; leaf: where it stands (`KadTables.leaf`); until_ns: when it goes."""

    ip: int
    node_id: int
    leaf: int
    until_ns: int


class Guests:
    """Of all nodes. met: tells a node's own monitor, which counts as well."""

    def __init__(self, tables: KadTables, met: Callable[[int], Met | None], rng: random.Random) -> None:
        self._tables = tables
        self._met = met
        self._rng = rng
        self._of: dict[int, list[_Guest]] = {}

    def accepts(self, now_ns: int, row: int, contact: Contact) -> bool:
        """Tell whether a node's table allows it to ask a monitor."""
        same = 0
        for guest in self._now(now_ns, row):
            if guest.node_id == contact.node_id:
                return guest.ip == contact.ip
            if guest.ip == contact.ip:
                return False
            same += guest.ip >> 8 == contact.ip >> 8
        return same < TABLE_SUBNET

    def admit(self, now_ns: int, row: int, contact: Contact) -> int:
        """Take a monitor that a node accepts into its table; return when the node says HELLO to it, 0 for never: it is
        there already, or there is no room.
        """
        guests = self._now(now_ns, row)
        leaf, held = self._tables.leaf(row, contact.node_id >> 64)
        beside = [guest for guest in guests if guest.leaf == leaf]
        held += len(beside)
        if any(guest.node_id == contact.node_id for guest in guests) or (leaf != DEEPEST and held >= BIN_CONTACTS):
            return 0
        if sum(guest.ip >> 8 == contact.ip >> 8 for guest in beside) >= BIN_SUBNET:
            return 0
        # one contact of a leaf is looked at each minute, the one not heard for longest
        turn_ns = now_ns + round((1 + self._rng.random() * min(held, BIN_CONTACTS)) * TIMER_NS)
        until_ns = turn_ns + HELLO_WAIT_NS + round(self._rng.random() * TIMER_NS)
        self._of.setdefault(row, []).append(_Guest(contact.ip, contact.node_id, leaf, until_ns))
        return turn_ns

    def left(self, row: int) -> None:
        """The node is gone."""
        self._of.pop(row, None)

    def _now(self, now_ns: int, row: int) -> list[_Guest]:
        guests = [guest for guest in self._of.get(row, ()) if guest.until_ns > now_ns]
        if guests:
            self._of[row] = guests
        else:
            self._of.pop(row, None)
        own = self._met(row)
        if own is None:
            return guests
        return [*guests, _Guest(own.ip, int.from_bytes(own.monitor_id), DEEPEST, 0)]
