"""Montra, the plain receiver and the counting loop, taking turns under the same traffic; and montra's cost by size."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.common.outcome import Curve, Goal, Outcome, ratios
from bench.ingest import runs, traffic, world
from bench.ingest.accounting import check
from bench.ingest.runs import Load, Scene, Tools

WALL, CPU, SHARE = "datagrams/s", "datagrams a CPU second", "share of a CPU"
SENDER, DISK = "sender's share of a CPU", "bytes for each capture on disk"
#: On loopback the kernel's work up to a socket's queue or the ring is done in the sender's name.
BOTH = "CPU time of receiver and sender together (us a datagram)"
#: The goals: datagrams a CPU second, and the share of the counting loop's and the multiple of the plain receiver's.
WANTED, OF_COUNT, OF_PLAIN = 300_000, 0.5, 10.0
#: Runs of each point of a curve; it has the median.
_REPEATS = 3


class Bench:
    """What all runs of one invocation share. problems: what did not add up so far."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self._tools: dict[tuple[int, int, int], Tools] = {}
        self.problems: list[str] = []

    def tools(self, scene: Scene) -> Tools:
        """Return programs and traffic for a scene, made when first asked for."""
        key = scene.monitors, scene.port, scene.ports
        if key not in self._tools:
            self.say(f"{scene.monitors:,} monitors: attaching them in virtual time, writing their traffic")
            built = world.build(*key)
            made = traffic.make(world.attach(built, scene.monitors, time.time_ns()))
            folder = self.folder / f"traffic-{scene.monitors}"
            folder.mkdir()
            self._tools[key] = runs.prepare(folder, made)
        return self._tools[key]

    def run(self, name: str, system: str, scene: Scene, load: Load) -> dict[str, Any]:
        """Run one receiver once, account for every datagram, throw its store away; return what it counted."""
        tools = self.tools(scene)
        store = self.folder / "store"
        store.mkdir()
        try:
            found = runs.run(system, scene, load, tools, store)
            self.problems += [f"{name}: {problem}" for problem in check(system, found, tools.traffic)]
        finally:
            shutil.rmtree(store)
        found.pop("run", None)
        if "bytes_per_capture" in found:
            found[DISK] = found["bytes_per_capture"]
        return {
            **found,
            WALL: found["wall_rate"],
            CPU: found["cpu_rate"],
            SHARE: found["cpu_share"],
            SENDER: found["sender_cpu"] / found["sender_seconds"],
            BOTH: 1e6 * (found["cpu"] + found["sender_cpu"]) / found["sent"],
        }


def compare(outcome: Outcome, bench: Bench, scene: Scene, load: Load, rounds: int) -> None:
    """Fill an outcome with rounds of all systems, their ratios, and the goals."""
    systems = runs.systems()
    for number in range(1, rounds + 1):
        found = {system: bench.run(f"round {number}", system, scene, load) for system in systems}
        outcome.rounds.append(found)
        said = ", ".join(f"{system} {one[CPU]:,.0f}" for system, one in found.items())
        bench.say(f"round {number} of {rounds}, {CPU}: {said}")
        outcome.notes += [
            f"round {number}, {system}: the kernel dropped {one['drops']:,} of {one['sent']:,} (accounted for): the "
            "machine was too busy for it to empty a heap before the next; rates are of what it received"
            for system, one in found.items()
            if one["drops"]
        ]
    outcome.summarise(CPU, WALL, SHARE, BOTH, DISK)
    own = [system for system in systems if system in (runs.SOCKETS, runs.RING)]
    for system in own:
        for other in (runs.PLAIN, runs.COUNT):
            for figure in (CPU, WALL):
                outcome.ratios[f"{system} / {other}, {figure}"] = ratios(outcome.rounds, system, other, figure)
    outcome.goals += _goals(outcome, max(own, key=lambda system: outcome.figures[system][CPU].median))


def _goals(outcome: Outcome, montra: str) -> list[Goal]:
    """Return the goals with what `montra`, the better of its receive paths, reached."""
    plain, count = runs.PLAIN, runs.COUNT
    rate = outcome.figures[montra][CPU].median
    of_count, of_plain = (outcome.ratios[f"{montra} / {other}, {CPU}"].median for other in (count, plain))
    return [
        Goal(f"{montra}, {CPU}", f"{WANTED:,}", f"{rate:,.0f}", rate >= WANTED),
        Goal(f"{montra} / {count}, a CPU second", f"{OF_COUNT:g}", f"{of_count:.2f}", of_count >= OF_COUNT),
        Goal(f"{montra} / {plain}, a CPU second", f"{OF_PLAIN:g}", f"{of_plain:.1f}", of_plain >= OF_PLAIN),
    ]


def curves(
    bench: Bench, system: str, scene: Scene, load: Load, sizes: Sequence[int], fleets: Sequence[int]
) -> list[Curve]:
    """Return a system's CPU time against datagrams, and against monitors for the same datagrams."""
    out = []
    cost = "CPU time (s)"
    if sizes:
        points = [(scene, replace(load, datagrams=size)) for size in sizes]
        out.append(Curve("ingest by datagrams", "datagrams", tuple(sizes), cost, _costs(bench, system, points)))
    if fleets:
        points = [(replace(scene, monitors=fleet), load) for fleet in fleets]
        name = f"ingest of {load.datagrams:,} datagrams by monitors"
        out.append(Curve(name, "monitors", tuple(fleets), cost, _costs(bench, system, points)))
    return out


def _costs(bench: Bench, system: str, points: Sequence[tuple[Scene, Load]]) -> tuple[float, ...]:
    """Return the median CPU seconds of each point; the points take turns."""
    used: list[list[float]] = [[] for _ in points]
    for turn in range(_REPEATS):
        for costs, (scene, load) in zip(used, points, strict=True):
            costs.append(bench.run("curve", system, scene, load)["cpu"])
        bench.say(f"curve, turn {turn + 1} of {_REPEATS}: " + ", ".join(f"{costs[-1]:.2f} s" for costs in used))
    return tuple(statistics.median(costs) for costs in used)


def notes(tools: Tools, load: Load) -> list[str]:
    """Return what a reader must know of these runs."""
    made = tools.traffic
    where = (
        f"receiver on CPU {tools.receive_cpu}, sender on CPU {tools.send_cpu}"
        if tools.receive_cpu >= 0
        else "one CPU only: sender and receiver share it, wall rates mean little"
    )
    how = (
        f"{load.rate:,} a second" if load.rate else f"in heaps of {load.heap:,}, timed while the receiver empties them"
    )
    return [
        f"{len(made):,} different datagrams, {len(made.key):,} lookups among them, each time with fresh IDs; {how}",
        where,
    ]
