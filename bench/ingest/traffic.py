"""The datagrams of the ingest benchmark: lookups as real clients write them, addressed to the monitors nearest to them.

Each lookup has a key in the zone and a requester of its own; its copies go to the eight monitors nearest to the key, as
Kademlia's do. The layouts are those of packets captured from the clients (Mainline facts, tests/overlays); how common
each is, is a guess that the README states. Among the lookups is a little of what monitors also hear and must not store.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from bench.ingest.world import ZONE
from zone_store.captures import Attachment
from zone_store.keyspace.ids import pack
from zone_store.keyspace.nearest import nearest

COPIES = 8
LOOKUPS = 4096

Write = Callable[[bytes, bytes, bytes], bytes]


class Layout(NamedTuple):
    """How a client writes a query: its share of all lookups, the length of its transactions, and the writer."""

    client: str
    share: float
    transaction: int
    write: Write


def _get_peers(more: bytes = b"", version: bytes = b"", early: bytes = b"") -> Write:
    """Return the writer of a get_peers; `more` are arguments that sort behind `info_hash`, `early` before `id`."""
    return lambda own, key, t: (
        b"d1:ad%b2:id20:%b9:info_hash20:%b%be1:q9:get_peers1:t%d:%b%b1:y1:qe"
        % (early, own, key, more, len(t), t, version)
    )


def _find_node(version: bytes) -> Write:
    return lambda own, key, t: (
        b"d1:ad2:id20:%b6:target20:%be1:q9:find_node1:t%d:%b%b1:y1:qe" % (own, key, len(t), t, version)
    )


LAYOUTS = (
    Layout("libtorrent 2.0.8", 0.30, 2, _get_peers(version=b"1:v4:LT\x02\x08")),
    Layout("libtorrent 2.1.1, noseed", 0.20, 2, _get_peers(b"6:noseedi1e", b"1:v4:LT\x02\x11")),
    Layout("libtorrent 2.1.1, bootstrap", 0.05, 2, _get_peers(version=b"1:v4:LT\x02\x11", early=b"2:bsi1e")),
    Layout("libtorrent 2.0.8, two families", 0.10, 2, _get_peers(b"4:wantl2:n42:n6e", b"1:v4:LT\x02\x08")),
    Layout("Transmission 3.00", 0.08, 4, _get_peers()),
    Layout("Transmission 3.00, two families", 0.07, 4, _get_peers(b"4:wantl2:n42:n6e")),
    Layout("aria2 1.36", 0.05, 4, _get_peers(version=b"1:v4:A2\x00\x03")),
    Layout("webtorrent", 0.10, 2, _get_peers()),
    Layout("rTorrent 0.9.8, find_node", 0.05, 1, _find_node(b"1:v4:lt\x0d\x80")),
)

#: Of all datagrams: pings of strangers, and what is no message at all.
PINGS = 0.02
JUNK = 0.005


class Traffic(NamedTuple):
    """Datagrams in the order in which they are sent.

    rows: (ip, port, payload); lookups: requester ID + key + monitor's ip and port (big-endian) of each that is one.
    """

    rows: list[tuple[int, int, bytes]]
    lookups: set[bytes]

    def write(self, path: Path) -> None:
        """Write the file that `blast` sends."""
        with path.open("wb") as file:
            for ip, port, payload in self.rows:
                file.write(struct.pack(">IH", ip, port) + struct.pack("<H", len(payload)) + payload)


def make(attachments: list[Attachment]) -> Traffic:
    """Return the traffic for these monitors, the same each time."""
    rng = Random(3)
    monitors = sorted(attachments, key=lambda attachment: attachment.monitor_id)
    keys = [ZONE.random_id(rng) for _ in range(LOOKUPS)]
    near = nearest(pack([m.monitor_id for m in monitors], 20), pack(keys, 20), min(COPIES, len(monitors)))
    shares = np.cumsum([layout.share for layout in LAYOUTS])
    rows: list[tuple[int, int, bytes]] = []
    lookups: set[bytes] = set()
    for key, places in zip(keys, near.tolist(), strict=True):
        layout = LAYOUTS[int(np.searchsorted(shares, rng.random() * shares[-1]))]
        own = rng.randbytes(20)
        for place in places:
            ip, port = monitors[place].monitor_ip, monitors[place].monitor_port
            rows.append((ip, port, layout.write(own, key, rng.randbytes(layout.transaction))))
            lookups.add(own + key + struct.pack(">IH", ip, port))
    for share, payload in ((PINGS, _ping), (JUNK, _junk)):
        heard_by = rng.choices(monitors, k=int(share * len(rows)))
        rows += [(monitor.monitor_ip, monitor.monitor_port, payload(rng)) for monitor in heard_by]
    return Traffic(_in_runs(rows, rng), lookups)


def _in_runs(rows: list[tuple[int, int, bytes]], rng: Random) -> list[tuple[int, int, bytes]]:
    """Return rows in random order, but for runs of one length to one monitor, which `blast` sends in one piece."""
    runs: dict[tuple[int, int, int], list[tuple[int, int, bytes]]] = {}
    for row in rows:
        runs.setdefault((row[0], row[1], len(row[2])), []).append(row)
    shuffled = list(runs.values())
    rng.shuffle(shuffled)
    return [row for run in shuffled for row in run]


def _ping(rng: Random) -> bytes:
    return b"d1:ad2:id20:%be1:q4:ping1:t2:%b1:v4:LT\x02\x081:y1:qe" % (rng.randbytes(20), rng.randbytes(2))


def _junk(rng: Random) -> bytes:
    """Return bytes of a foreign protocol; the first one is never that of a bencoded message."""
    return b"\x17" + rng.randbytes(rng.randrange(12, 100))
