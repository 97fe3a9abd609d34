"""Between the machines and the network: datagrams are opened when they come and sealed before they go.

Inside montra a received datagram is a head and a plain packet (`head`); one to send is an envelope, which says whom it
is for, and a plain packet. Verify keys for others are made here, from the run's secret, so nobody needs to keep them.
"""

from __future__ import annotations

import random
import struct
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import SLOT_STEP, Counters, Datagram, DatagramBatch
from montra.overlays.kad import frames, obfuscation
from montra.overlays.kad.head import HEAD, HEAD_BYTES, RECIPIENT_AT, REQ_BYTES, Opening
from montra.overlays.kad.ids import ID_BYTES, NO_ID, swap_rows, verify_key
from montra.overlays.kad.messages import pong
from montra.overlays.kad.opcodes import KAD, Op
from montra.overlays.kad.reader import KadError

_ENVELOPE: Final = struct.Struct("<16sI")
_UNREADABLE: Final = HEAD.pack(Opening.UNREADABLE, 0)
_REQ: Final = bytes((KAD, Op.REQ))
_PONG: Final = bytes((KAD, Op.PONG))
_RECIPIENT: Final = slice(RECIPIENT_AT - HEAD_BYTES, REQ_BYTES - HEAD_BYTES)
# plain integers: combining enum members costs a microsecond each
_OBFUSCATED: Final = int(Opening.OBFUSCATED)
_VERIFIED: Final = int(Opening.OBFUSCATED | Opening.VERIFIED)
_WRONG_RECIPIENT: Final = int(Opening.WRONG_RECIPIENT)
_CUT: Final = int(Opening.CUT)
#: Longest row that is made of a datagram. Fifty files published under a keyword, the most that clients put in a packet,
#: come as 1 or 2 KB and unpack to 4 to 7 KB.
MOST_BYTES: Final = 8192
#: Sources whose key is kept at hand.
_CACHED: Final = 1 << 16


def envelope(packet: bytes, *, node_id: bytes = b"", key: int = 0) -> bytes:
    """Return a packet as the overlay hands it out.

    node_id: the receiver's, b"" if unknown; key: what it expects from our address, 0 if unknown. With neither it goes
    out plain.
    """
    return _ENVELOPE.pack(node_id, key) + packet


class KadWire:
    """Opens and seals for all nodes of a run.

    secret: of the run; makes the verify keys that we give out. counters: obfuscated, plain, cut: datagrams opened;
    unreadable: those that could not be.
    """

    def __init__(self, secret: bytes, rng: random.Random) -> None:
        self.counters = Counters()
        self._rng = rng
        self._key_for = lru_cache(_CACHED)(lambda ip: verify_key(ip, secret))

    def open(self, batch: DatagramBatch, own_ids: NDArray[np.uint8]) -> DatagramBatch:
        """Return the same rows, each a head and a plain packet (`montra.overlays.base.Wire.open`).

        What would be longer than MOST_BYTES is cut there and marked so, and so is what comes cut; `truncated` of the
        result says which rows are.
        """
        n = len(batch)
        slot = batch.buffer.shape[1]
        flat = np.ascontiguousarray(batch.buffer[:n]).data.cast("B") if n else memoryview(b"")
        ids = swap_rows(own_ids).tobytes()
        lengths, truncated, ips = batch.length.tolist(), batch.truncated.tolist(), batch.source_ip.tolist()
        rows = [
            self._open(
                bytes(flat[row * slot : row * slot + lengths[row]]),
                ids[row * ID_BYTES : (row + 1) * ID_BYTES],
                ips[row],
                truncated[row],
            )
            for row in range(n)
        ]
        length = np.fromiter(map(len, rows), np.int32, n)
        width = max(-(-int(length.max(initial=0)) // SLOT_STEP), 1) * SLOT_STEP
        # zeros cost nothing until they are touched: one long row must not make all others long
        buffer = np.zeros((n, width), np.uint8)
        into = buffer.reshape(-1).data
        for begin, data in zip(range(0, n * width, width), rows, strict=True):
            into[begin : begin + len(data)] = data
        cut = (buffer[:, 0] & Opening.CUT) != 0
        self._count(buffer[:, 0])
        return DatagramBatch(buffer, length, cut, batch.source_ip, batch.source_port, batch.local, batch.time_ns)

    def seal(self, outgoing: list[Datagram]) -> list[Datagram]:
        """Return what is under the envelopes as it goes out (`montra.overlays.base.Wire.seal`).

        A PONG is completed here with the port it goes to, which is what it tells.
        """
        return [
            datagram.__class__(datagram.local, datagram.ip, datagram.port, self._seal(datagram))
            for datagram in outgoing
        ]

    def _open(self, data: bytes, own_id: bytes, ip: int, truncated: bool) -> bytes:
        if not data:
            return _UNREADABLE
        flags = peer_key = 0
        if not obfuscation.is_plain(data):
            revealed = self._reveal(data, own_id, ip)
            if revealed is None:
                return _UNREADABLE
            data, peer_key = revealed.packet, revealed.sender_key
            flags = _OBFUSCATED
            # a key is never 0, and what it opened proves that the sender knows it
            if not revealed.by_id or (revealed.receiver_key and revealed.receiver_key == self._key_for(ip)):
                flags = _VERIFIED
        try:
            packet, cut = frames.unpacked(data, MOST_BYTES - HEAD_BYTES, cut=truncated)
        except KadError:
            return _UNREADABLE
        if cut:
            flags |= _CUT
        if packet.startswith(_REQ) and len(packet) >= _RECIPIENT.stop and packet[_RECIPIENT] != own_id:
            flags |= _WRONG_RECIPIENT
        return HEAD.pack(flags, peer_key) + packet

    def _reveal(self, data: bytes, own_id: bytes, ip: int) -> obfuscation.Revealed | None:
        """Try the secret that the marker names first; our key for a source is made only where it is needed."""
        own_id = b"" if own_id == NO_ID else own_id
        if data[0] & 2:
            return obfuscation.reveal_wire(data, own_id, self._key_for(ip))
        return obfuscation.reveal_wire(data, own_id, 0) or obfuscation.reveal_wire(data, b"", self._key_for(ip))

    def _seal(self, datagram: Datagram) -> bytes:
        node_id, key = _ENVELOPE.unpack_from(datagram.payload)
        packet = datagram.payload[_ENVELOPE.size :]
        if packet.startswith(_PONG):
            packet = pong(datagram.port)
        packet = frames.packed(packet)
        if node_id == NO_ID and not key:
            return packet
        return obfuscation.obfuscate(
            packet,
            self._rng,
            node_id=b"" if node_id == NO_ID else node_id,
            receiver_key=key,
            sender_key=self._key_for(datagram.ip),
        )

    def _count(self, flags: NDArray[np.uint8]) -> None:
        """Count the rows of a batch by how they came."""
        unreadable = int(np.count_nonzero(flags & Opening.UNREADABLE))
        obfuscated = int(np.count_nonzero(flags & Opening.OBFUSCATED))
        self.counters.add("unreadable", unreadable)
        self.counters.add("obfuscated", obfuscated)
        self.counters.add("plain", len(flags) - unreadable - obfuscated)
        self.counters.add("cut", int(np.count_nonzero(flags & Opening.CUT)))
