"""What lookups sum up to, the same whatever their order: how two systems that never meet can be shown to agree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PRIMES = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5)
_WORD = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Sum:
    """rows: lookups; packets: copies they stand for; mixed: sum modulo 2^64 of one mixed word for each lookup.

    Two different sets of lookups have the same `mixed` by chance once in 2^64.
    """

    rows: int = 0
    packets: int = 0
    mixed: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.rows + other.rows, self.packets + other.packets, (self.mixed + other.mixed) & _WORD)

    def as_dict(self) -> dict[str, int]:
        """Return the three numbers by name."""
        return asdict(self)


def sum_of(
    time_ns: NDArray[Any],
    source_ip: NDArray[Any],
    source_port: NDArray[Any],
    kind: NDArray[Any],
    key: NDArray[Any],
    destination: NDArray[Any],
    packets: NDArray[Any],
) -> Sum:
    """Return the sum of lookups: first copy, source, kind, the key's first eight bytes, attachment number, copies."""
    total = np.zeros(len(time_ns), np.uint64)
    columns = (time_ns, source_ip, source_port, kind, key, destination, packets)
    for i, column in enumerate(columns):
        total = (total ^ column.astype(np.uint64)) * np.uint64(_PRIMES[i % len(_PRIMES)])
        total ^= total >> np.uint64(29)
    return Sum(len(total), int(packets.sum(dtype=np.int64)), int(total.sum(dtype=np.uint64)))
