"""Captures out of a scanned batch, by array operations alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import DatagramBatch
from montra.monitors.wheel import Rows
from montra.overlays.base import Scan
from zone_store.captures import Captures, Flag


def capture(
    batch: DatagramBatch, scan: Scan, kept: Rows, attachment: NDArray[np.uint32], from_target: NDArray[np.bool_]
) -> Captures:
    """Return the captures of the `kept` datagrams of a batch.

    attachment uint32[len(kept)]: whose monitor got it; from_target bool[len(kept)]: its own target sent it.
    """
    return Captures(
        batch.time_ns[kept],
        attachment,
        batch.source_ip[kept],
        batch.source_port[kept],
        scan.requester_id[kept],
        scan.key[kept],
        scan.kind[kept],
        scan.flags[kept] | np.where(from_target, np.uint16(Flag.FROM_TARGET), np.uint16(0)),
        scan.version[kept],
        scan.port[kept],
    )
