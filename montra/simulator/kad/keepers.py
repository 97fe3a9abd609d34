"""What the zone's nodes do with their monitors: take them in, verify them, ask whether they live, hand them out.

The rules are aMule's for Kad versions from 8 on (KademliaUDPListener.cpp, RoutingZone.cpp, Contact.cpp). Of contacts
that say HELLO only the one beside a node's own ID counts: it falls into the deepest leaf, which splits when it is full,
while the bins of others are full as a rule.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from montra.overlays.kad import messages
from montra.overlays.kad.ids import NO_ID
from montra.overlays.kad.messages import Hello
from montra.overlays.kad.opcodes import Misc, Op
from montra.overlays.kad.reader import KadError
from montra.simulator.kad.endpoints import Opened
from montra.simulator.kad.rules import (
    DEAD_TYPE,
    HELLO_WAIT_NS,
    MINUTE_NS,
    NEW_TYPE,
    RETURNED_TYPE,
    TIMER_NS,
    TRACKED_NS,
    TYPES,
)
from montra.simulator.kad.tables import KadTables

_NEVER_NS = -(1 << 62)


class Tell(Protocol):
    """Puts a packet of a node on the wire: to an address, an ID if that encrypts it, and with a key of the receiver."""

    def __call__(self, now_ns: int, row: int, place: tuple[int, int], packet: bytes, node_id: bytes, key: int) -> None:
        """Send."""
        ...


@dataclass(slots=True, eq=False)
class Met:
    """A monitor as its node knows it: see `Contact.cpp`.

    key: its verify key for the node; kind: its type; expires_ns: when it is to be asked again; asked_ns: the last HELLO
    that is not answered yet; answered_ns: the last HELLO_RES to it that it has not confirmed.
    """

    monitor_id: bytes
    ip: int
    port: int
    version: int
    key: int
    met_ns: int
    kind: int = NEW_TYPE
    verified: bool = False
    expires_ns: int = 0
    asked_ns: int = _NEVER_NS
    answered_ns: int = _NEVER_NS


class Keepers:
    """All nodes and their monitors.

    ids, versions: of nodes, and whether TCP reaches them; `later(at_ns, call)` calls back at a time. met: the monitor
    of each node that has one in its table.
    """

    def __init__(
        self,
        ids: Sequence[bytes],
        versions: Sequence[int],
        open_to_tcp: Sequence[bool],
        tables: KadTables,
        rng: random.Random,
        later: Callable[[int, Callable[[int], None]], None],
        tell: Tell,
    ) -> None:
        self.met: dict[int, Met] = {}
        self._ids = ids
        self._versions = versions
        self._open_to_tcp = open_to_tcp
        self._tables = tables
        self._rng = rng
        self._later = later
        self._tell = tell

    def hear(self, now_ns: int, row: int, place: tuple[int, int], opened: Opened) -> None:
        """A packet, not of a lookup, has come from the instrument's (ip, port)."""
        try:
            if opened.op == Op.HELLO_REQ:
                self._hello(now_ns, row, place, opened)
            elif opened.op == Op.HELLO_RES:
                self._answered(now_ns, row, place, opened)
            elif opened.op == Op.HELLO_RES_ACK:
                self._confirmed(now_ns, row, place, opened)
            elif opened.op == Op.PING:
                self._tell(now_ns, row, place, messages.pong(place[1]), b"", opened.key)
        except KadError:
            return

    def left(self, row: int) -> None:
        """The node is gone."""
        self.met.pop(row, None)

    def _hello(self, now_ns: int, row: int, place: tuple[int, int], opened: Opened) -> None:
        hello = messages.read_hello(opened.packet)
        known = self._take(now_ns, row, place, hello, opened)
        wants_ack = known is not None and not known.verified
        if known is not None:
            known.answered_ns = now_ns
        misc = (Misc.ACK_WANTED if wants_ack else 0) | (0 if self._open_to_tcp[row] else Misc.TCP_FIREWALLED)
        answer = self._details(Op.HELLO_RES, row, misc)
        self._tell(now_ns, row, place, answer, b"" if hello.node_id == NO_ID else hello.node_id, opened.key)

    def _answered(self, now_ns: int, row: int, place: tuple[int, int], opened: Opened) -> None:
        known = self.met.get(row)
        if known is None or known.ip != place[0] or now_ns - known.asked_ns >= TRACKED_NS:
            return
        known.asked_ns = _NEVER_NS
        hello = messages.read_hello(opened.packet)
        self._take(now_ns, row, place, hello, opened)
        if messages.wants_ack(hello) and opened.key:
            self._tell(now_ns, row, place, messages.hello_ack(self._ids[row]), b"", opened.key)

    def _confirmed(self, now_ns: int, row: int, place: tuple[int, int], opened: Opened) -> None:
        known = self.met.get(row)
        if known is None or not opened.verified or now_ns - known.answered_ns >= TRACKED_NS:
            return
        known.answered_ns = _NEVER_NS
        if messages.read_hello_ack(opened.packet) == known.monitor_id and place[0] == known.ip:
            known.verified = True
            self._show(row, known)

    def _take(self, now_ns: int, row: int, place: tuple[int, int], hello: Hello, opened: Opened) -> Met | None:
        """Add or update a contact; None if nothing came of it (`AddContact2`, `CRoutingZone::Add`)."""
        if (
            hello.misc & Misc.UDP_FIREWALLED
            or hello.node_id[:8] != self._ids[row][:8]
            or hello.node_id == self._ids[row]
        ):
            return None
        known = self.met.get(row)
        if known is None:
            known = Met(hello.node_id, *place, hello.version, opened.key, now_ns, verified=opened.verified)
            self.met[row] = known
            self._wait_for_turn(now_ns, row, known)
            return known
        if known.monitor_id != hello.node_id or (known.key and known.key != opened.key):
            return None
        if known.ip != place[0]:  # an address that nobody has verified
            known.verified = False
        known.ip, known.port = place
        known.version, known.key = hello.version, opened.key
        known.verified |= opened.verified
        known.kind, trusted_ns = TYPES[min((now_ns - known.met_ns) // (60 * MINUTE_NS), len(TYPES) - 1)]
        known.expires_ns = now_ns + trusted_ns
        self._show(row, known)
        return known

    def _show(self, row: int, known: Met) -> None:
        self._tables.listed[row] = known.verified and known.kind <= RETURNED_TYPE

    def _details(self, op: Op, row: int, misc: int) -> bytes:
        version = self._versions[row]
        return messages.hello(op, Hello(self._ids[row], 4662, version, misc))

    def _wait_for_turn(self, from_ns: int, row: int, known: Met) -> None:
        """Come back when the timer of the leaf looks at the monitor: one contact a minute, the longest there first."""
        held = self._tables.leaf(row, int.from_bytes(known.monitor_id[:8]))[1]
        turn_ns = round((1 + self._rng.random() * held) * TIMER_NS)
        self._later(from_ns + turn_ns, lambda at_ns: self._look_at(at_ns, row, known))

    def _look_at(self, now_ns: int, row: int, known: Met) -> None:
        if self.met.get(row) is not known:
            return
        if known.expires_ns > now_ns:
            self._wait_for_turn(known.expires_ns - TIMER_NS, row, known)
            return
        if known.kind == DEAD_TYPE:
            del self.met[row]
            self._tables.listed[row] = False
            return
        known.kind += 1
        known.expires_ns = now_ns + HELLO_WAIT_NS
        known.asked_ns = now_ns
        self._show(row, known)
        misc = 0 if self._open_to_tcp[row] else Misc.TCP_FIREWALLED
        place = (known.ip, known.port)
        self._tell(now_ns, row, place, self._details(Op.HELLO_REQ, row, misc), known.monitor_id, known.key)
        self._wait_for_turn(known.expires_ns, row, known)
