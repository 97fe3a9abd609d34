"""What the processes that hold monitors share: command line, memory, CPU, and how they speak with `runs`.

They say "ready", then "held" with a line of JSON once all their targets hand them out, and go on until standard input
ends; then comes a line of JSON with everything counted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

from bench.common.usage import cpu_seconds


class Options(NamedTuple):
    """ids: file of the targets' IDs; monitors: how many of them get one; rate: attached a second at most; keep_alive:
    seconds; folder: where to store."""

    ids: Path
    monitors: int
    rate: float
    keep_alive: float
    folder: Path


def options() -> Options:
    """Read the command line and stay on the CPU that it names (-1: on any)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--monitors", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--keep-alive", type=float, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cpu", type=int, default=-1)
    given = parser.parse_args()
    if given.cpu >= 0:
        os.sched_setaffinity(0, {given.cpu})
    return Options(given.ids, given.monitors, given.rate, given.keep_alive, given.folder)


def memory() -> dict[str, int]:
    """Return bytes resident: all, anonymous (of the process alone), and the most there ever was."""
    names = {"VmRSS": "rss", "RssAnon": "anonymous", "VmHWM": "peak"}
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in names:
            found[names[name]] = int(value.split()[0]) * 1024
    return found


def waited_seconds() -> float:
    """Return how long this process's main thread was ready to run and had no CPU, because others had it."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


class Meter:
    """Memory, CPU and time of a process that holds monitors, from before the first until the end."""

    def __init__(self) -> None:
        self._before = memory()
        self._began = self._held = _now()
        self._after = self._before

    def held(self) -> None:
        """All targets hand their monitors out: say so."""
        self._held = _now()
        print("held", json.dumps({"attach_s": self._held[0] - self._began[0]}), flush=True)

    def steady(self) -> dict[str, float]:
        """Return what attaching and holding took, at the end of holding."""
        self._after = memory()
        now = _now()
        return {
            "attach_s": self._held[0] - self._began[0],
            "attach_cpu_s": self._held[1] - self._began[1],
            "steady_s": now[0] - self._held[0],
            "steady_cpu_s": now[1] - self._held[1],
            "attach_waited_s": self._held[2] - self._began[2],
            "steady_waited_s": now[2] - self._held[2],
            "grown": self._after["anonymous"] - self._before["anonymous"],
            "rss": self._after["rss"],
            "anonymous": self._after["anonymous"],
            "steady_peak": self._after["peak"],
        }


def _now() -> tuple[float, float, float]:
    return time.monotonic(), cpu_seconds(), waited_seconds()
