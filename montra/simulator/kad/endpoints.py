"""What a simulated node does with a datagram before its protocol sees it, and what it does to its own: obfuscation with
verify keys, and the limits by which it drops what is too much.

Answers are not packed by zlib, as those of clients are where that makes them shorter: it is slow, and changes nothing.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from montra.overlays.kad.ids import verify_key
from montra.overlays.kad.obfuscation import is_plain, obfuscate, reveal
from montra.simulator.kad.rules import BAN_FACTOR, PER_MINUTE, SECOND_NS

_SHORTEST = 2


class Opened(NamedTuple):
    """A packet as its receiver reads it. key: the sender's verify key for us, 0 = none; verified: it carries ours."""

    packet: bytes
    key: int
    verified: bool

    @property
    def op(self) -> int:
        """The opcode."""
        return self.packet[1]


def open_packet(payload: bytes, node_id: bytes, secret: bytes, source_ip: int) -> Opened | None:
    """Read a datagram from `source_ip`; None for what nobody can read. node_id, secret: of the receiver."""
    if len(payload) < _SHORTEST:
        return None
    if is_plain(payload):
        return Opened(payload, 0, False)
    own = verify_key(source_ip, secret)
    found = reveal(payload, node_id, own)
    if found is None or len(found.packet) < _SHORTEST:
        return None
    return Opened(found.packet, found.sender_key, found.receiver_key == own)


def seal_packet(packet: bytes, rng: random.Random, node_id: bytes, key: int, secret: bytes, ip: int) -> bytes:
    """Write a datagram to `ip`: encrypted by the receiver's ID if that is given, else by its verify key for us, plain
    without either (KademliaUDPListener.cpp, `SendPacket`). secret: the sender's.
    """
    if not node_id and not key:
        return packet
    return obfuscate(packet, rng, node_id=node_id, receiver_key=key, sender_key=verify_key(ip, secret))


class FloodGate:
    """The limits of all nodes on requests of the instrument, by node, IP and opcode (PacketTracking.cpp)."""

    def __init__(self) -> None:
        self.dropped = 0
        self.banned: set[tuple[int, int]] = set()  # (node, IP)
        self._seen: dict[tuple[int, int, int], tuple[int, int]] = {}  # -> count, and since when

    def admits(self, now_ns: int, row: int, ip: int, op: int) -> bool:
        """Count a request; say whether the node looks at it."""
        if (row, ip) in self.banned:
            self.dropped += 1
            return False
        allowed = PER_MINUTE.get(op)
        if allowed is None:
            return True
        each_ns = 60 // allowed * SECOND_NS
        count, since_ns = self._seen.get((row, ip, op), (0, now_ns))
        if now_ns - since_ns > each_ns:
            passed = (now_ns - since_ns) // each_ns
            count, since_ns = (count - passed, since_ns + passed * each_ns) if passed <= count else (0, now_ns)
        count += 1
        self._seen[row, ip, op] = count, since_ns
        if count <= allowed:
            return True
        if count > BAN_FACTOR * allowed:
            self.banned.add((row, ip))
        self.dropped += 1
        return False
