"""One process of the wire benchmark: one system reads all datagrams once. Prints one line of JSON.

python -m bench.wire.process SYSTEM DATAGRAMS
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from Crypto.Cipher import ARC4
from numpy.typing import NDArray

from bench.common.usage import cpu_seconds
from montra.datagrams import Datagram, DatagramBatch
from montra.overlays.kad import messages
from montra.overlays.kad.ids import to_wire
from montra.overlays.kad.obfuscation import obfuscate
from montra.overlays.kad.opcodes import SEARCH_COUNT
from montra.overlays.kad.scan import scan
from montra.overlays.kad.wire import KadWire, envelope

#: Rows of a batch of the endpoint; what several monitors get at once, in a busy zone.
BATCH_ROWS = 4096
MONITORS = 64
SECRET = b"of the benchmark"


class Batch(NamedTuple):
    """Datagrams as they arrive, the ID of our node at each, the keys that they ask for, in order.

    clear: the same as old clients send them; encrypted: what the RC4 key of each is made of, and the bytes under it.
    """

    datagrams: DatagramBatch
    own_ids: NDArray[np.uint8]
    keys: bytes
    clear: DatagramBatch
    encrypted: list[tuple[bytes, bytes]]


def batches(datagrams: int, seed: int = 1) -> Iterator[Batch]:
    """Make REQ of strangers who know the ID of the monitor that they ask, and no verify key of it, as in the wild."""
    rng = random.Random(seed)
    ids = [rng.randbytes(16) for _ in range(MONITORS)]
    for begin in range(0, datagrams, BATCH_ROWS):
        own = [rng.choice(ids) for _ in range(min(BATCH_ROWS, datagrams - begin))]
        keys = [rng.randbytes(16) for _ in own]
        rows, plain = [], []
        for row, (node_id, key) in enumerate(zip(own, keys, strict=True)):
            request = messages.request(SEARCH_COUNT, key, node_id)
            ip, sender_key = rng.randrange(1 << 24, 1 << 31), rng.randrange(1, 1 << 32)
            plain.append((row, 1, ip, 4672, request))
            rows.append((row, 1, ip, 4672, obfuscate(request, rng, node_id=node_id, sender_key=sender_key)))
        own_ids = np.frombuffer(b"".join(own), np.uint8).reshape(-1, 16)
        encrypted = [(to_wire(node_id) + row[4][1:3], row[4][3:]) for node_id, row in zip(own, rows, strict=True)]
        yield Batch(DatagramBatch.of(rows), own_ids, b"".join(keys), DatagramBatch.of(plain), encrypted)


def by_montra() -> Callable[[Batch], bytes]:
    """Open a batch, and scan it."""
    wire = KadWire(SECRET, random.Random(1))
    return lambda batch: scan(wire.open(batch.datagrams, batch.own_ids)).key.tobytes()


def by_clear() -> Callable[[Batch], bytes]:
    """Do the same to requests that are not encrypted."""
    wire = KadWire(SECRET, random.Random(1))
    return lambda batch: scan(wire.open(batch.clear, batch.own_ids)).key.tobytes()


def by_cipher() -> Callable[[Batch], bytes]:
    """Decrypt alone, with all else done before: MD5 of the key and RC4. Reads no keys."""

    def decrypt(batch: Batch) -> bytes:
        for secret, data in batch.encrypted:
            ARC4.new(hashlib.md5(secret).digest()).decrypt(data)
        return batch.keys

    return decrypt


SYSTEMS = {"montra": by_montra, "clear": by_clear, "cipher": by_cipher}


def measure(system: str, datagrams: int) -> dict[str, float]:
    """Return CPU seconds to read them, to seal as many, and how many batches were read wrongly."""
    read, wire = SYSTEMS[system](), KadWire(SECRET, random.Random(1))
    spent = sealing = 0.0
    wrong = 0
    for batch in batches(datagrams):
        begin = cpu_seconds()
        keys = read(batch)
        spent += cpu_seconds() - begin
        wrong += keys != batch.keys
        outgoing = [
            Datagram(1, 1 << 24, 4672, envelope(messages.request(SEARCH_COUNT, own, own), node_id=own))
            for own in map(bytes, batch.own_ids)
        ]
        begin = cpu_seconds()
        wire.seal(outgoing)
        sealing += cpu_seconds() - begin
    return {"cpu": spent, "sealing": sealing, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
