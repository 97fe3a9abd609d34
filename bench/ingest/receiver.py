"""What the receivers in Python share: their command line, their CPU, their time."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from montra.endpoint.errors import EndpointError
from zone_store.run.folder import RunError

#: A receiver ends when nothing has come for so long after the end of its standard input.
QUIET_S = 0.1


class Options(NamedTuple):
    """How to receive.

    folder: where to store; monitors, port, ports: the world; buffer: receive buffer of each port in bytes; progress:
    seconds between two lines of progress on standard error, 0 for none; receive: montra's receive path, "sockets" or
    "ring".
    """

    folder: Path
    monitors: int
    port: int
    ports: int
    buffer: int
    progress: int
    receive: str


def serve(receive: Callable[[Options], dict[str, object]]) -> None:
    """Receive as the command line says and print the result; end with one clear line if that cannot be done."""
    try:
        print(json.dumps(receive(_options())))
    except (OSError, EndpointError, RunError) as error:
        sys.exit(str(error))


def _options() -> Options:
    """Read the command line and stay on the CPU that it names (-1: on any)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    for name in ("monitors", "port", "ports", "buffer"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--cpu", type=int, default=-1)
    parser.add_argument("--progress", type=int, default=0)
    parser.add_argument("--receive", choices=("sockets", "ring"), default="sockets")
    given = parser.parse_args()
    if given.cpu >= 0:
        os.sched_setaffinity(0, {given.cpu})
    return Options(**{name: getattr(given, name) for name in Options._fields})
