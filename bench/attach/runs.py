"""Runs of the attach benchmark: the targets on one CPU, who holds the monitors on another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.attach import place
from bench.common.compiler import BenchError, compile_program, cpus

HERE = Path(__file__).resolve().parent
#: How long attaching may take beyond what the rate says, and the end of a run.
PATIENCE_S = 600.0
#: Time for the last answers.
SETTLE_S = 1.0


class Tools(NamedTuple):
    """The compiled targets, and the CPUs of targets and monitors (-1: any, when there is only one)."""

    targets: Path
    target_cpu: int
    monitor_cpu: int


@dataclass(frozen=True, slots=True)
class Load:
    """One run: so many monitors, attached at most so many a second, held for some seconds.

    asks: queries a second by the targets to their own monitors; strange: by a stranger to any of them.
    """

    monitors: int
    rate: float
    seconds: float
    keep_alive_s: float
    asks: float
    strange: float


def prepare(folder: Path) -> Tools:
    """Compile the targets into `folder` and choose the CPUs; raises BenchError."""
    return Tools(compile_program(HERE / "targets.c", folder), *cpus())


def run(system: str, load: Load, tools: Tools, folder: Path) -> dict[str, Any]:
    """Run one system ("montra" or "plain") once; returns {"monitors": its counts, "targets": theirs}.

    Raises BenchError. What it stored is removed.
    """
    store = folder / f"{system}-{load.monitors}"
    store.mkdir()
    ids = store / "ids"
    place.write_ids(ids, load.monitors)
    try:
        with _process(_targets(load, tools, ids, system), "targets") as targets:
            with _process(_holder(system, load, tools, ids, store), system) as holder:
                _line(holder, system, "held", PATIENCE_S + load.monitors / load.rate)
                time.sleep(load.seconds)
                _tell(targets)
                time.sleep(SETTLE_S)
                held = _result(holder, system)
            counted = _result(targets, "targets")
    finally:
        shutil.rmtree(store)
    return {"monitors": held, "targets": counted}


def _targets(load: Load, tools: Tools, ids: Path, system: str) -> list[str]:
    limit_ms = int((1.1 * load.keep_alive_s + 1) * 1000)
    ports = place.monitor_ports(load.monitors) if system == "montra" else 1
    where = (place.TARGETS, place.TARGET_PORT, place.TARGET_PORTS, place.MONITORS, place.MONITOR_PORT, ports)
    what = (place.CRAWLER, place.STRANGER, load.asks, load.strange, limit_ms, tools.target_cpu)
    return [str(argument) for argument in (tools.targets, ids, load.monitors, *where, *what)]


def _holder(system: str, load: Load, tools: Tools, ids: Path, folder: Path) -> list[str]:
    values = {
        "ids": ids,
        "monitors": load.monitors,
        "rate": load.rate,
        "keep-alive": load.keep_alive_s,
        "folder": folder,
        "cpu": tools.monitor_cpu,
    }
    return [
        sys.executable,
        "-m",
        f"bench.attach.hold_{system}",
        *(f"--{name}={value}" for name, value in values.items()),
    ]


@contextmanager
def _process(command: list[str], name: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that says "ready"; it is gone at the end."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # no threads that wait for work
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1], env=environment
    ) as process:
        try:
            _line(process, name, "ready", PATIENCE_S)
            yield process
        except BaseException:
            process.kill()
            raise


def _line(process: subprocess.Popen[str], name: str, word: str, patience_s: float) -> None:
    """Wait for a line that begins with a word; raises BenchError without it."""
    watchdog = threading.Timer(patience_s, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not line.startswith(word):
        raise BenchError(f"{name}: waited {patience_s:.0f} s at most for {word!r}, got {line.strip()!r}")


def _tell(targets: subprocess.Popen[str]) -> None:
    """Let the targets and the stranger ask no more."""
    assert targets.stdin is not None
    targets.stdin.write("enough\n")
    targets.stdin.flush()


def _result(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """End a process by the end of its standard input; returns the JSON it prints."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        answer = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not answer:
        raise BenchError(f"{name} ended without a result, status {process.wait()}")
    found: dict[str, Any] = json.loads(answer)
    return found
