"""How fast montra takes in lookups, beside a plain receiver and a loop in C that only counts. See bench/README.md.

    python -m bench.ingest.compare [--rounds N] [--seconds S] [--rate PPS] [--json]

Exit status 1 if a run fails or a datagram is unaccounted for; slowness is no failure.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.common import machine
from bench.common.compiler import BenchError
from bench.ingest import runs, traffic, world
from bench.ingest.accounting import check
from bench.ingest.runs import SYSTEMS, Settings

#: What is compared with what.
PAIRS = (("montra", "plain"), ("montra", "count"), ("plain", "count"))
RATES = ("wall_rate", "cpu_rate")
NAMES = {"montra": "montra", "plain": "plain receiver", "count": "counting loop in C"}

Round = dict[str, dict[str, Any]]


def main() -> int:
    """Run the benchmark; returns the exit status."""
    settings, folder, as_json = _arguments()
    say: Callable[[str], None] = (lambda _: None) if as_json else print
    try:
        with tempfile.TemporaryDirectory(prefix="montra-bench-", dir=folder) as temporary:
            result = measure(settings, Path(temporary), say)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        print("\n".join(table(result)))
    return 1 if result["problems"] else 0


def measure(settings: Settings, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Run all rounds in `folder`; return everything known of them. Raises BenchError."""
    described = machine.describe(folder)
    built = world.build(settings.monitors, settings.port, settings.ports)
    lookups = traffic.make(world.attach(built, settings.monitors, time.time_ns()))
    lookups.write(folder / "traffic")
    tools = runs.prepare(folder, folder / "traffic")
    for name, value in described.items():
        say(f"{name:12} {value}")
    say(f"{'traffic':12} {_traffic_line(lookups, settings)}")
    say(f"{'placement':12} {_placement_line(tools, settings)}")
    rounds: list[Round] = []
    problems: list[str] = []
    for number in range(1, settings.rounds + 1):
        rounds.append({})
        for system in SYSTEMS:
            store = folder / f"{system}-{number}"
            store.mkdir()
            got = runs.run(system, settings, tools, store)
            problems += [f"round {number}: {problem}" for problem in check(system, got, lookups)]
            shutil.rmtree(store)
            got.pop("run", None)
            rounds[-1][system] = got
        say(f"round {number:<6} " + ", ".join(f"{s} {rounds[-1][s]['wall_rate']:,.0f}/s" for s in SYSTEMS))
    return {
        "machine": described,
        "settings": asdict(settings),
        "pinned": tools.receive_cpu >= 0,
        "rounds": rounds,
        "systems": {system: _system(rounds, system) for system in SYSTEMS},
        "ratios": {f"{a}/{b}": {rate: _ratio(rounds, a, b, rate) for rate in RATES} for a, b in PAIRS},
        "problems": problems,
    }


def table(result: dict[str, Any]) -> Iterable[str]:
    """Yield the lines of the result: medians, and the smallest and largest of all rounds."""
    yield ""
    yield _line("", "1000 datagrams/s", "1000 a CPU second", "CPU used", "kernel dropped")
    for system, values in result["systems"].items():
        rates = [_spread(values[rate], "{:,.1f}", 1e-3) for rate in RATES]
        yield _line(NAMES[system], *rates, *(_spread(values[share], "{:.0%}") for share in ("cpu_share", "drop_share")))
    yield ""
    yield _line("ratio, each round", "datagrams/s", "a CPU second")
    for pair, values in result["ratios"].items():
        yield _line(pair.replace("/", " / "), *(_spread(values[rate], "{:.2f}") for rate in RATES))
    yield ""
    if result["problems"]:
        yield from (f"NOT ACCOUNTED FOR  {problem}" for problem in result["problems"])
    else:
        yield "accounting  every run: sent = received + dropped by the kernel. montra: received = stored + ledger,"
        yield "            and each capture stored was sent to that monitor"


def _line(name: str, *cells: str) -> str:
    return f"{name:20}" + "".join(f"{cell:>28}" for cell in cells)


def _spread(summary: list[float], form: str, scale: float = 1.0) -> str:
    median, low, high = (form.format(value * scale) for value in summary)
    return f"{median} ({low} - {high})"


def _arguments() -> tuple[Settings, Path | None, bool]:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__.partition("\n")[0])
    numbers = {
        "rounds": (5, "rounds of one run of each"),
        "seconds": (2.0, "how long to send in each run"),
        "rate": (0, "datagrams a second, 0 for as many as one CPU can send"),
        "monitors": (1000, "monitors of the fleet"),
        "port": (21501, "first UDP port of the monitors; the one below is the crawler's"),
        "ports": (4, "ports of the monitors"),
        "buffer": (1 << 20, "receive buffer of each port in bytes"),
    }
    for name, (default, text) in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{text} (default {default})")
    parser.add_argument("--folder", type=Path, help="where to store (default: the system's temporary folder)")
    parser.add_argument("--json", action="store_true", help="print everything measured as JSON, nothing else")
    given = parser.parse_args()
    if min(given.rounds, given.seconds, given.ports, given.buffer) <= 0 or given.rate < 0:
        parser.error("rounds, seconds, ports and buffer must be positive, the rate not negative")
    if not 1 <= given.monitors <= 10_000:
        parser.error("monitors: 1 to 10,000")
    if not 1025 <= given.port <= 65536 - given.ports:
        parser.error("the ports must lie between 1025 and 65535")
    return Settings(**{name: getattr(given, name) for name in numbers}), given.folder, given.json


def _traffic_line(lookups: traffic.Traffic, settings: Settings) -> str:
    rate = f"{settings.rate:,} datagrams/s" if settings.rate else "as many datagrams as one CPU can send"
    return (
        f"{rate}, {settings.seconds:g} s a run; {len(lookups.rows):,} different ones, {len(lookups.lookups):,} of them "
        f"lookups, to {settings.monitors:,} monitors from {len(world.SOURCES)} addresses"
    )


def _placement_line(tools: runs.Tools, settings: Settings) -> str:
    where = (
        f"receiver on CPU {tools.receive_cpu}, sender on CPU {tools.send_cpu}"
        if tools.receive_cpu >= 0
        else "one CPU only: sender and receiver share it, wall rates mean little"
    )
    return f"{where}; {settings.ports} ports with a receive buffer of {settings.buffer >> 10} KiB each"


def _system(rounds: list[Round], system: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {
        name: [r[system][name] for r in rounds] for name in ("wall_rate", "cpu_rate", "cpu_share")
    }
    values["drop_share"] = [r[system]["drops"] / r[system]["sent"] for r in rounds]
    return {name: _summary(numbers) for name, numbers in values.items()}


def _ratio(rounds: list[Round], a: str, b: str, rate: str) -> list[float]:
    return _summary([r[a][rate] / r[b][rate] for r in rounds])


def _summary(values: list[float]) -> list[float]:
    """Return median, smallest and largest."""
    return [statistics.median(values), min(values), max(values)]


if __name__ == "__main__":
    sys.exit(main())
