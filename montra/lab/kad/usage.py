"""What a running program used, and what the kernel could not give it, as /proc tells."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# proc(5): fields behind the name in stat; columns of net/udp
_USER, _SYSTEM = 11, 12
_DROPS = -1


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that a process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_S


def unread(pid: int) -> int:
    """Return how many datagrams found no room in a UDP socket of the process's namespace; 0 when it is gone."""
    try:
        rows = Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]
    except OSError:
        return 0
    return sum(int(row.split()[_DROPS]) for row in rows)
