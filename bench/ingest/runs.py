"""Runs of the ingest benchmark: one receiver and the blaster, each a process on a CPU of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common.compiler import BenchError, compile_program, cpus
from bench.ingest import world

HERE = Path(__file__).resolve().parent
#: A receiver that has not ended so long after the traffic is killed.
PATIENCE_S = 60.0
SYSTEMS = ("montra", "plain", "count")


@dataclass(frozen=True, slots=True)
class Settings:
    """What all runs share. rate: datagrams a second, 0 for as many as one CPU can send; buffer: bytes of each port."""

    rounds: int
    seconds: float
    rate: int
    monitors: int
    port: int
    ports: int
    buffer: int


@dataclass(frozen=True, slots=True)
class Tools:
    """The compiled programs, the file of datagrams, and the two CPUs (-1: any, when there is only one)."""

    blast: Path
    count: Path
    traffic: Path
    send_cpu: int
    receive_cpu: int


def prepare(folder: Path, traffic: Path) -> Tools:
    """Compile the C programs into `folder` and choose the CPUs; raises BenchError."""
    programs = [compile_program(HERE / f"{name}.c", folder) for name in ("blast", "count")]
    return Tools(*programs, traffic, *cpus())


def run(system: str, settings: Settings, tools: Tools, folder: Path) -> dict[str, Any]:
    """Run one receiver under the traffic once; return what both counted. Raises BenchError."""
    command = _receiver(system, settings, tools, folder)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # no threads that wait for work
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1], env=environment
    ) as receiver:
        watchdog = threading.Timer(settings.seconds + PATIENCE_S, receiver.kill)
        watchdog.start()
        try:
            assert receiver.stdin is not None
            assert receiver.stdout is not None
            if receiver.stdout.readline() != "ready\n":
                raise BenchError(f"the {system} receiver did not start")
            sent = _send(settings, tools)
            receiver.stdin.close()
            answer = receiver.stdout.readline()
        except BaseException:
            receiver.kill()
            raise
        finally:
            watchdog.cancel()
    if receiver.returncode or not answer:
        raise BenchError(f"the {system} receiver ended with status {receiver.returncode}")
    result: dict[str, Any] = json.loads(answer)
    if not result["received"]:
        raise BenchError(f"the {system} receiver got nothing of {sent['sent']} datagrams")
    return {**result, **sent, **_rates(result)}


def _receiver(system: str, settings: Settings, tools: Tools, folder: Path) -> list[str]:
    if system == "count":
        ports = [str(port) for port in range(settings.port, settings.port + settings.ports)]
        return [str(tools.count), str(settings.buffer), str(tools.receive_cpu), *ports]
    options = {
        "folder": folder,
        "cpu": tools.receive_cpu,
        **{name: getattr(settings, name) for name in ("monitors", "port", "ports", "buffer")},
    }
    module = f"bench.ingest.receive_{system}"
    return [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in options.items())]


def _send(settings: Settings, tools: Tools) -> dict[str, Any]:
    arguments = (tools.blast, tools.traffic, settings.seconds, settings.rate, tools.send_cpu, *world.SOURCES)
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True)
    if done.returncode:
        raise BenchError(done.stderr.strip())
    sent: dict[str, Any] = json.loads(done.stdout)
    return sent


def _rates(result: dict[str, Any]) -> dict[str, float]:
    """Return datagrams received a second of wall and of CPU time, and the share of the CPU used."""
    wall = max(result["last"] - result["first"], 1e-9)
    received, cpu = result["received"], max(result["cpu"], 1e-9)
    return {"wall_rate": received / wall, "cpu_rate": received / cpu, "cpu_share": cpu / wall}
