"""Batches of UDP datagrams, as arrays: what the endpoint hands in and takes back.

A leaf of the package: imports nothing of ours, knows no socket, so the simulator, the tests and the
live endpoint share it. Times are integer nanoseconds since the Unix epoch, everywhere in montra.
Addresses are IPv4 as unsigned 32-bit integers in host order (`family` 4); IPv6 will be a second family.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Longest datagram kept whole; longer ones are marked truncated. KRPC stays far below (BEP 5 messages fit one MTU).
SLOT_BYTES = 2048
#: Slots are a multiple of this; a batch of nothing but short datagrams may have smaller ones.
SLOT_STEP = 64


def ip_text(ip: int) -> str:
    """Return the dotted form of an IPv4 address given as host-order integer."""
    return str(ipaddress.IPv4Address(int(ip)))


def ip_number(text: str) -> int:
    """Return an IPv4 address as host-order integer; raises ValueError on anything else."""
    return int(ipaddress.IPv4Address(text))


def runs_of(flat: NDArray[np.uint8], width: int) -> NDArray[np.void]:
    """Return every run of `width` bytes of a flat buffer as one item, void[max(0, len(flat) - width + 1)]; no copy."""
    return np.ndarray((max(len(flat) - width + 1, 0),), f"V{width}", flat, 0, (1,))


class Datagram(NamedTuple):
    """One datagram to send: `local` is the index of the local (address, port) it leaves from."""

    local: int
    ip: int
    port: int
    payload: bytes


class StrangerReply(Datagram):
    """A reply to a lookup of somebody who is no target: a class of its own at the limits, sent at once or never."""

    __slots__ = ()


@dataclass(slots=True)
class DatagramBatch:
    """`n` received datagrams. Row i holds `buffer[i, :length[i]]`.

    buffer: uint8[>=n, slot], slot a multiple of SLOT_STEP up to SLOT_BYTES (longer where an overlay has unpacked them,
    `montra.overlays.base.Wire`); what follows a datagram in its slot has no meaning
    (may be reused by the endpoint after the call that got it returns)
    length: int32[n], bytes kept; truncated: bool[n], the datagram was longer than a slot
    source_ip: uint32[n]; source_port: uint16[n]
    local: int32[n], index of the local (address, port) it arrived at
    time_ns: int64[n], arrival
    """

    buffer: NDArray[np.uint8]
    length: NDArray[np.int32]
    truncated: NDArray[np.bool_]
    source_ip: NDArray[np.uint32]
    source_port: NDArray[np.uint16]
    local: NDArray[np.int32]
    time_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.length)

    def payload(self, row: int) -> bytes:
        """Return the bytes of one row."""
        return self.buffer[row, : self.length[row]].tobytes()

    def select(self, rows: NDArray[np.intp]) -> DatagramBatch:
        """Return a copy with only these rows."""
        return DatagramBatch(
            self.buffer[rows],
            self.length[rows],
            self.truncated[rows],
            self.source_ip[rows],
            self.source_port[rows],
            self.local[rows],
            self.time_ns[rows],
        )

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int, int, bytes]]) -> DatagramBatch:
        """Build a batch of (time_ns, local, source_ip, source_port, payload) rows (simulator and tests)."""
        n = len(rows)
        buffer = np.zeros((n, SLOT_BYTES), np.uint8)
        length = np.zeros(n, np.int32)
        truncated = np.zeros(n, np.bool_)
        for i, row in enumerate(rows):
            kept = row[4][:SLOT_BYTES]
            buffer[i, : len(kept)] = np.frombuffer(kept, np.uint8)
            length[i] = len(kept)
            truncated[i] = len(row[4]) > SLOT_BYTES
        return cls(
            buffer,
            length,
            truncated,
            np.array([r[2] for r in rows], np.uint32),
            np.array([r[3] for r in rows], np.uint16),
            np.array([r[1] for r in rows], np.int32),
            np.array([r[0] for r in rows], np.int64),
        )


@dataclass(slots=True)
class Counters:
    """Named counts of what was dropped or refused, and why: no loss without a name."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, n: int = 1) -> None:
        """Count `n` more under `name`; nothing for n == 0."""
        if n:
            self.counts[name] = self.counts.get(name, 0) + int(n)

    def merge(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Add all (name, n) pairs."""
        for name, n in pairs:
            self.add(name, n)

    def take(self) -> dict[str, int]:
        """Return the counts so far and start again from nothing."""
        taken, self.counts = self.counts, {}
        return taken
