"""What the receivers in Python share: their command line, their CPU, their time."""

from __future__ import annotations

import argparse
import os
import resource
from pathlib import Path
from typing import NamedTuple

#: A receiver ends when nothing has come for so long after the end of its standard input.
QUIET_S = 0.1


class Options(NamedTuple):
    """folder: where to store; monitors and port: the world; buffer: receive buffer of each port in bytes."""

    folder: Path
    monitors: int
    port: int
    buffer: int


def options() -> Options:
    """Read the command line and stay on the CPU that it names (-1: on any)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--monitors", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--buffer", type=int, required=True)
    parser.add_argument("--cpu", type=int, default=-1)
    given = parser.parse_args()
    if given.cpu >= 0:
        os.sched_setaffinity(0, {given.cpu})
    return Options(given.folder, given.monitors, given.port, given.buffer)


def cpu_seconds() -> float:
    """Return the CPU time that this process has used, with all its threads."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime
