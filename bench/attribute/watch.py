"""Memory of a process and all it started, watched from outside while it runs."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL_S = 0.05


class Watch:
    """Samples /proc until the end of the `with` block.

    private: the most that all processes held together at one moment of memory of their own (RssAnon + RssShmem), bytes;
    resident: the same with pages of mapped files, which the kernel takes back when it needs memory; peaks: VmHWM of
    each process; processes: how many were seen.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._private = self._resident = 0
        self._peaks: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def figures(self) -> dict[str, float]:
        """Return what was seen, in MiB."""
        return {
            "memory of all processes (MiB)": self._private / 2**20,
            "resident with mapped files (MiB)": self._resident / 2**20,
            "largest process (MiB)": max(self._peaks.values(), default=0) / 2**20,
            "processes": len(self._peaks),
        }

    def _run(self) -> None:
        while not self._done.wait(INTERVAL_S):
            private = resident = 0
            for pid in _tree(self._pid):
                status = _status(pid)
                private += status.get("RssAnon", 0) + status.get("RssShmem", 0)
                resident += status.get("VmRSS", 0)
                self._peaks[pid] = max(self._peaks.get(pid, 0), status.get("VmHWM", 0))
            self._private, self._resident = max(self._private, private), max(self._resident, resident)


def _tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for one in found:  # grows as it goes
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:  # ended meanwhile
                continue
    return found


def _status(pid: int) -> dict[str, int]:
    """Return the sizes in /proc/PID/status, in bytes; empty when the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(size) << 10 for name, size, *_ in fields}
