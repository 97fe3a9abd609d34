"""The datagrams of the ingest benchmark: lookups as real clients write them, addressed to the monitors nearest to them.

Each lookup has a key in the zone and a requester of its own; its copies go to the eight monitors nearest to the key, as
Kademlia's do. Among the lookups is a little of what monitors also hear and must not store. `blast.c` sends them in this
order, over and over, each time with fresh requesters and keys (fresh.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.ingest.layouts import LAYOUTS
from bench.ingest.world import ZONE
from zone_store.captures import Attachment
from zone_store.keyspace.ids import pack
from zone_store.keyspace.nearest import nearest

COPIES = 8
#: Lookups in a file, at least; with many monitors half as many as there are monitors, so that each hears some.
LEAST_LOOKUPS = 4096
#: Of all datagrams: pings of strangers, and what is no message at all.
PINGS = 0.02
JUNK = 0.005
NO_LOOKUP = 0xFFFFFFFF

#: The head of a datagram in the file, as blast.c reads it.
HEAD = np.dtype(
    [
        ("ip", ">u4"),
        ("port", ">u2"),
        ("length", "<u2"),
        ("lookup", "<u4"),
        ("id_at", "u1"),
        ("key_at", "u1"),
        ("nothing", "u2"),
    ]
)
_WIDTH = 160  # bytes for the longest payload


@dataclass(slots=True, eq=False)
class Traffic:
    """n datagrams in the order in which they are sent, and L lookups.

    head HEAD[n]; payload uint8[n, width]; copy uint8[n]: which of its lookup's copies a datagram is; key uint8[L, 20];
    near int64[L, COPIES]: for whom the copies are, places in `monitors`; monitors uint64[M]: ip << 16 | port of
    each, in order of their IDs.
    """

    head: NDArray[Any]
    payload: NDArray[np.uint8]
    copy: NDArray[np.uint8]
    key: NDArray[np.uint8]
    near: NDArray[np.int64]
    monitors: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.head)

    def write(self, path: Path) -> None:
        """Write the file that `blast` sends."""
        heads = self.head.view(np.uint8).reshape(len(self), HEAD.itemsize)
        table = np.concatenate([heads, self.payload], axis=1)
        used = np.arange(table.shape[1]) < HEAD.itemsize + self.head["length"][:, None]
        table[used].tofile(path)


def make(attachments: list[Attachment]) -> Traffic:
    """Return the traffic for these monitors, the same each time."""
    rng = np.random.default_rng(3)
    monitors = sorted(attachments, key=lambda attachment: attachment.monitor_id)
    lookups = max(LEAST_LOOKUPS, len(monitors) // 2)
    random = Random(3)
    key = pack([ZONE.random_id(random) for _ in range(lookups)], 20)
    near = nearest(pack([m.monitor_id for m in monitors], 20), key, min(COPIES, len(monitors)))
    copies = near.shape[1]

    shares = np.array([layout.share for layout in LAYOUTS])
    layout_of = rng.choice(len(LAYOUTS), lookups, p=shares / shares.sum())
    queries = lookups * copies
    noise = int(PINGS * queries), int(JUNK * queries)
    head = np.zeros(queries + sum(noise), HEAD)
    payload = np.zeros((len(head), _WIDTH), np.uint8)
    for number, layout in enumerate(LAYOUTS):
        rows = np.flatnonzero(np.repeat(layout_of == number, copies))
        of = rows // copies
        payload[rows, : len(layout.packet)] = np.frombuffer(layout.packet, np.uint8)
        payload[rows, layout.key_at : layout.key_at + 20] = key[of]
        width = layout.transaction.stop - layout.transaction.start
        payload[rows, layout.transaction] = rng.integers(0, 256, (len(rows), width), np.uint8)
        head["length"][rows], head["lookup"][rows] = len(layout.packet), of
        head["id_at"][rows], head["key_at"][rows] = layout.id_at, layout.key_at
    for first, count, write in ((queries, noise[0], _ping), (queries + noise[0], noise[1], _junk)):
        for row in range(first, first + count):
            written = write(random)
            payload[row, : len(written)] = np.frombuffer(written, np.uint8)
            head["length"][row], head["lookup"][row] = len(written), NO_LOOKUP

    heard_by = np.concatenate([near.ravel(), rng.integers(0, len(monitors), sum(noise))])
    address = np.array([m.monitor_ip << 16 | m.monitor_port for m in monitors], np.uint64)
    head["ip"], head["port"] = address[heard_by] >> np.uint64(16), address[heard_by] & np.uint64(0xFFFF)
    copy = np.concatenate([np.tile(np.arange(copies, dtype=np.uint8), lookups), np.zeros(sum(noise), np.uint8)])
    order = rng.permutation(len(head))
    return Traffic(head[order], payload[order], copy[order], key, near, address)


def _ping(rng: Random) -> bytes:
    return b"d1:ad2:id20:%be1:q4:ping1:t2:%b1:v4:LT\x02\x111:y1:qe" % (rng.randbytes(20), rng.randbytes(2))


def _junk(rng: Random) -> bytes:
    """Return bytes of a foreign protocol; the first one is never that of a bencoded message."""
    return b"\x17" + rng.randbytes(rng.randrange(12, 100))
