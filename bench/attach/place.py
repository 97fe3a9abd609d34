"""Where everything of the attach benchmark is: all on loopback, and far from what other benchmarks use.

Targets: four ports on each of up to 262,144 addresses. Monitors: 64 /24s with all their addresses, and as many ports as
are needed. Node IDs are drawn once into a file, which both sides read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import ip_number
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
TARGETS = "127.168.0.0"
TARGET_PORT = 23900
TARGET_PORTS = 4
MONITORS = "127.164.0.0"
MONITOR_BLOCK = f"{MONITORS}/18"
MONITOR_PORT = 23000
CRAWLER = "127.167.0.1:23899"
STRANGER = "127.166.0.1:23898"
ADDRESSES = 1 << 14
#: As many as the addresses of the targets allow.
MOST = 1 << 20


def monitor_ports(monitors: int) -> int:
    """Return how many ports so many monitors need."""
    return -(-monitors // ADDRESSES)


def write_ids(path: Path, n: int) -> None:
    """Write the IDs of n targets, uint8[n, 20], all different and in the zone."""
    ids = np.random.default_rng(7).integers(0, 256, (n, 20), np.uint8)
    ids[:, 0] = ZONE.low()[0] | (ids[:, 0] & 3)
    path.write_bytes(ids.tobytes())


def read_ids(path: Path) -> NDArray[np.uint8]:
    """Return uint8[n, 20], mapped from the file."""
    return np.memmap(path, np.uint8, "r").reshape(-1, 20)


def target(i: int) -> tuple[int, int]:
    """Return (ip, port) of a target."""
    return ip_number(TARGETS) + i // TARGET_PORTS, TARGET_PORT + i % TARGET_PORTS
