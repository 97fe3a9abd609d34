"""Runs of the crawl benchmark: one crawler and the swarm, each a process on a CPU of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.common.compiler import BenchError, compile_program, cpus
from bench.crawl import network, swarm_log
from bench.crawl.network import Network
from crawler.settings import CrawlSettings
from montra.endpoint.limits import LimitSettings, Rate
from montra.window.config import Addresses, Config
from zone_store.keyspace.zone import Zone

HERE = Path(__file__).resolve().parent
ZONE = Zone.parse("a4/6")
CRAWLER = "127.160.0.1"
PORTS = 4
#: A crawler that has not ended so long after its time is killed.
PATIENCE_S = 30.0
#: Nodes outside the zone: the way in.
OUTSIDE = 300
#: Share of the zone's living nodes that a plain crawl must find.
WANTED = 0.99

#: On loopback an answer takes as long as it waits behind others at the crawler, a tenth of a second at most.
FAST = CrawlSettings(timeout_s=0.4, spacing_s=0.05, max_in_flight=3000, max_pps=60_000.0, pause_s=300.0)
#: The same with the waits that a real window has.
PATIENT = dataclasses.replace(FAST, timeout_s=2.0, spacing_s=1.0)
#: As shipped (configs/mainline-6bit.toml), but for the total, which would be the speed measured.
LIMITS = LimitSettings(total=Rate(100_000, 20_000), target=Rate(1, 8), subnet=Rate(20, 40))

#: What takes turns: montra with these settings, or plain code with so many questions open.
SYSTEMS: dict[str, CrawlSettings | int] = {
    "montra": FAST,
    "montra, Internet waits": PATIENT,
    "plain, 1000 open": 1000,
    "plain, one at a time": 1,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs happen: a folder, the compiled swarm, the first UDP port, and the two CPUs (-1: any)."""

    folder: Path
    swarm: Path
    port: int
    swarm_cpu: int
    crawl_cpu: int


@dataclass(frozen=True, slots=True)
class Zoo:
    """A network in memory and as a file."""

    network: Network
    file: Path


def prepare(folder: Path, port: int) -> Place:
    """Compile the swarm into `folder` and choose the CPUs; raises BenchError."""
    return Place(folder, compile_program(HERE / "swarm.c", folder), port, *cpus())


def populate(place: Place, nodes: int, gone: float) -> Zoo:
    """Make a network with so many living nodes in the zone; the same each time."""
    made = network.make(ZONE, nodes, OUTSIDE, gone, place.port, PORTS, np.random.default_rng(nodes))
    file = place.folder / f"network-{nodes}"
    made.write(file)
    return Zoo(made, file)


def run(system: str, zoo: Zoo, place: Place, seed: int, box_s: float) -> dict[str, Any]:
    """Crawl once; return figures, raw counts and a list of problems. Raises BenchError."""
    found_file, log_file = place.folder / "found", place.folder / "log"
    how = SYSTEMS[system]
    if isinstance(how, CrawlSettings):
        config = _config(zoo, place, how, seed)
        command = ["bench.crawl.crawl_montra", msgspec.json.encode(config).decode(), found_file, place.crawl_cpu]
        seconds = config.duration_s
    else:
        command = ["bench.crawl.one_at_a_time", *_plain_options(zoo, place, how, box_s, found_file)]
        seconds = box_s
    with _swarm(zoo, place, log_file) as swarm:
        result = _crawl(system, command, seconds)
    raw = np.fromfile(found_file, np.uint8).tobytes()
    found = {
        (raw[i : i + 20], int.from_bytes(raw[i + 20 : i + 24]), int.from_bytes(raw[i + 24 : i + 26]))
        for i in range(0, len(raw), 26)
    }
    living = zoo.network.members()
    entries = swarm_log.read(log_file)
    result |= {
        "swarm": swarm,
        "living": len(living),
        "found": len(found & living),
        "invented": len(found - living),
        "target": swarm_log.asked(entries, LIMITS.target)._asdict(),
        "subnet": swarm_log.asked(entries, LIMITS.subnet, subnets=True)._asdict(),
    }
    return result


def _config(zoo: Zoo, place: Place, crawl: CrawlSettings, seed: int) -> Config:
    return Config(
        zone=str(ZONE),
        duration="120s",
        seed=seed,
        bootstrap=(zoo.network.bootstrap(),),
        addresses=Addresses(crawler=f"{CRAWLER}:{place.port + PORTS}", receive_buffer="16MiB"),
        crawl=crawl,
        limits=LIMITS,
    )


def _plain_options(zoo: Zoo, place: Place, window: int, box_s: float, found: Path) -> list[str]:
    options = {
        "bind": CRAWLER,
        "port": place.port + PORTS,
        "bootstrap": zoo.network.bootstrap(),
        "prefix": ZONE.prefix,
        "bits": ZONE.length,
        "window": window,
        "timeout": FAST.timeout_s,
        "wanted": round(WANTED * len(zoo.network.members())),
        "seconds": box_s,
        "cpu": place.crawl_cpu,
        "nodes": found,
    }
    return [f"--{name}={value}" for name, value in options.items()]


def _crawl(system: str, command: list[Any], seconds: float) -> dict[str, Any]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # no threads that wait for work
    arguments = [sys.executable, "-m", *map(str, command)]
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            cwd=HERE.parents[1],
            env=environment,
            timeout=seconds + PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{system}: the crawl did not end") from None
    if done.returncode or not done.stdout:
        raise BenchError(f"{system}: the crawl failed: {done.stderr.strip().rpartition(chr(10))[2]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextmanager
def _swarm(zoo: Zoo, place: Place, log: Path) -> Iterator[dict[str, Any]]:
    """Run the network; what it counted is in the dictionary afterwards."""
    counts: dict[str, Any] = {}
    command = [str(place.swarm), str(zoo.file), str(log), str(place.swarm_cpu)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as swarm:
        watchdog = threading.Timer(600.0, swarm.kill)
        watchdog.start()
        try:
            assert swarm.stdin is not None
            assert swarm.stdout is not None
            assert swarm.stderr is not None
            if swarm.stdout.readline() != "ready\n":
                raise BenchError(swarm.stderr.read().strip() or "the swarm did not start")
            yield counts
            swarm.stdin.close()
            answer = swarm.stdout.readline()
        except BaseException:
            swarm.kill()
            raise
        finally:
            watchdog.cancel()
    if swarm.returncode or not answer:
        raise BenchError(f"the swarm ended with status {swarm.returncode}")
    counts.update(json.loads(answer))
