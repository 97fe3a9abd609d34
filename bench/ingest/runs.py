"""Runs of the ingest benchmark: one receiver and the sender, each a process on a CPU of its own."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from bench.common.compiler import BenchError, compile_program, cpus
from bench.ingest.traffic import Traffic

HERE = Path(__file__).resolve().parent
#: A receiver that is not done so long after the last datagram is killed.
PATIENCE_S = 120.0
#: A receiver is done with a heap when it uses less than this share of a CPU at so many looks in a row.
_IDLE_SHARE, _LOOK_S, _LOOKS = 0.2, 0.001, 30

SOCKETS, RING, PLAIN, COUNT = ("montra, sockets", "montra, ring", "plain receiver", "counting loop in C")


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is there. port: the first of the monitors' `ports` ports; buffer: bytes of each port's receive buffer."""

    monitors: int
    port: int
    ports: int
    buffer: int


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: so many datagrams; `rate` a second, or, with rate 0, in heaps that wait until the receiver may."""

    datagrams: int
    rate: int = 0
    heap: int = 16_000


@dataclass(frozen=True, slots=True)
class Tools:
    """The compiled programs, the traffic and the file that holds it, and the two CPUs (-1: any, with one only)."""

    blast: Path
    count: Path
    traffic: Traffic
    file: Path
    send_cpu: int
    receive_cpu: int


def prepare(folder: Path, traffic: Traffic) -> Tools:
    """Compile the C programs and write the traffic into `folder`, and choose the CPUs; raises BenchError."""
    blast, count = (compile_program(HERE / f"{name}.c", folder) for name in ("blast", "count"))
    traffic.write(folder / "traffic")
    return Tools(blast, count, traffic, folder / "traffic", *cpus())


class Sender:
    """The process that sends. A context manager that ends it.

    sent: datagrams so far; seconds: how long that took; cpu: seconds it used, loading included.
    """

    def __init__(self, tools: Tools, rate: int) -> None:
        command = [tools.blast, tools.file, len(tools.traffic.key), rate, tools.send_cpu]
        self._process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.sent, self.cpu, self.seconds = 0, 0.0, 0.0

    def send(self, datagrams: int) -> None:
        """Send so many more. Raises BenchError."""
        try:
            _to(self._process).write(f"{datagrams}\n")
            _to(self._process).flush()
            said = json.loads(_from(self._process).readline())
        except (OSError, ValueError):
            raise BenchError("the sender failed") from None
        self.sent, self.cpu = said["sent"], said["cpu"]
        self.seconds += said["seconds"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        _to(self._process).close()
        self._process.wait()
        _from(self._process).close()


def run(system: str, scene: Scene, load: Load, tools: Tools, folder: Path) -> dict[str, Any]:
    """Run one receiver under the traffic once; return what both counted. Raises BenchError."""
    with receiver(system, scene, tools, folder) as process, Sender(tools, load.rate) as sender:
        busy = 0.0
        if load.rate:
            sender.send(load.datagrams)
        while sender.sent < load.datagrams:
            busy += _heap(process, sender, min(load.heap, load.datagrams - sender.sent))
        result = answer(system, process)
    if not result["received"]:
        raise BenchError(f"{system} got nothing of {sender.sent} datagrams")
    wall = result["last"] - result["first"] if load.rate else busy
    wall, cpu = max(wall + result.get("drain", 0.0), 1e-9), max(result["cpu"], 1e-9)
    return {
        **result,
        "sent": sender.sent,
        "wall": wall,
        "wall_rate": result["received"] / wall,
        "cpu_rate": result["received"] / cpu,
        "cpu_share": cpu / wall,
        "sender_cpu": sender.cpu,
        "sender_seconds": sender.seconds,
    }


def receiver(
    system: str, scene: Scene, tools: Tools, folder: Path, *more: str
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Start a receiver, `more` being further words of its command line; see `started`."""
    return started(system, [*_command(system, scene, tools, folder), *more])


@contextmanager
def started(name: str, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process that says when it is ready, wait for that, and see that it ends. Raises BenchError."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # no threads that wait for work
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1], env=environment
    ) as process:
        try:
            if _from(process).readline() != "ready\n":
                raise BenchError(f"{name} did not start")
            yield process
        except BaseException:
            process.kill()
            raise


def answer(name: str, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Tell a process that nothing more comes; return what it counted. Raises BenchError."""
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        _to(process).close()
        line = _from(process).readline()
        process.wait()
    finally:
        watchdog.cancel()
    if process.returncode or not line:
        raise BenchError(f"{name} ended with status {process.returncode}")
    result: dict[str, Any] = json.loads(line)
    return result


def _heap(process: subprocess.Popen[str], sender: Sender, datagrams: int) -> float:
    """Heap datagrams up in the kernel before a receiver that is halted, then let it; return how long it took."""
    process.send_signal(signal.SIGSTOP)
    sender.send(datagrams)
    process.send_signal(signal.SIGCONT)
    begin = looked = done = time.monotonic()
    used = _cpu(process)
    idle = 0
    while idle < _LOOKS:
        time.sleep(_LOOK_S)
        now, now_used = time.monotonic(), _cpu(process)
        if now_used - used < _IDLE_SHARE * (now - looked):
            idle += 1
        else:
            idle, done = 0, now
        looked, used = now, now_used
        if process.poll() is not None:
            raise BenchError(f"a receiver ended with status {process.returncode}")
        if now - begin > PATIENCE_S:
            raise BenchError(f"a receiver is still busy {PATIENCE_S:g} s after {datagrams:,} datagrams")
    return done - begin


def _cpu(process: subprocess.Popen[str]) -> float:
    """Return the CPU seconds that a process has used, all threads (its CPU clock, as clock_getcpuclockid names it)."""
    return time.clock_gettime(~process.pid << 3 | 2)


def systems() -> list[str]:
    """Return what can run here; the ring needs CAP_NET_RAW, and x86-64."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        ring = platform.machine() == "x86_64"
    except OSError:
        ring = False
    return [SOCKETS, *([RING] if ring else []), PLAIN, COUNT]


def _command(system: str, scene: Scene, tools: Tools, folder: Path) -> list[str]:
    if system == COUNT:
        ports = [str(port) for port in range(scene.port, scene.port + scene.ports)]
        return [str(tools.count), str(scene.buffer), str(tools.receive_cpu), *ports]
    options = {"folder": folder, "cpu": tools.receive_cpu, **asdict(scene)}
    if system != PLAIN:
        options["receive"] = "ring" if system == RING else "sockets"
    module = "bench.ingest.receive_plain" if system == PLAIN else "bench.ingest.receive_montra"
    return [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in options.items())]


def _to(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdin is not None
    return process.stdin


def _from(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout
