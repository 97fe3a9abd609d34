"""Wall and CPU time of this process and all it has waited for."""

from __future__ import annotations

import resource
import time


class Stopwatch:
    """Runs from its making."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu()

    def read(self) -> dict[str, float]:
        """Return the seconds since the beginning."""
        return {"wall (s)": time.perf_counter() - self._wall, "CPU (s)": _cpu() - self._cpu}


def _cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)
