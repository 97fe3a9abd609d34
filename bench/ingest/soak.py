"""Montra alone under a steady load for minutes: what is lost, what it costs, and that the ledger says so exactly."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.common.outcome import Goal, Outcome
from bench.ingest import runs
from bench.ingest.accounting import check
from bench.ingest.comparison import DISK, SENDER, SHARE, WALL, Bench, notes
from bench.ingest.runs import Load, Scene, Sender, Tools
from zone_store.losses import is_data_loss

#: Datagrams a second, unless the command line says otherwise.
RATE = 100_000
#: The goal: the share of datagrams lost.
MOST_LOST = 1e-5
#: Seconds between two lines of progress.
PROGRESS_S = 10
#: The rate counts as kept with so little less.
_KEPT = 0.999

OFFERED, LOSS, MEMORY = ("datagrams/s sent", "datagrams lost, per million", "peak resident memory (MiB)")


def run(outcome: Outcome, bench: Bench, system: str, scene: Scene, seconds: float, rate: int) -> None:
    """Fill an outcome with one long run of montra."""
    tools = bench.tools(scene)
    store = bench.folder / "soak"
    store.mkdir()
    errors = _udp_errors()
    with (
        _nodes(scene, tools) as nodes,
        runs.receiver(system, scene, tools, store, f"--progress={PROGRESS_S}") as process,
        Sender(tools, rate) as sender,
    ):
        bench.say(f"{rate:,} datagrams/s for {seconds:g} s")
        sender.send(round(rate * seconds))
        # they fall silent first: the receiver waits for quiet, and what they sent must arrive
        answered = runs.answer("nodes", nodes)
        found = runs.answer(system, process)
    found |= {"sent": sender.sent, "nodes_sent": answered["sent"], "udp_errors": _udp_errors() - errors}
    bench.say("reading the run back")
    outcome.problems += check(system, found, tools.traffic)
    del found["run"]
    wall = found["last"] - found["first"]
    lost = sum(count for name, count in found["ledger"].items() if is_data_loss(name))
    found |= {
        "lost": lost,
        OFFERED: sender.sent / sender.seconds,
        WALL: found["received"] / wall,
        SHARE: found["cpu"] / wall,
        SENDER: sender.cpu / sender.seconds,
        LOSS: 1e6 * lost / sender.sent,
        MEMORY: found["peak_rss"] / 2**20,
        DISK: found["bytes_per_capture"],
    }
    outcome.rounds.append({system: found})
    outcome.summarise(OFFERED, WALL, SHARE, SENDER, LOSS, MEMORY, DISK)
    outcome.goals += _goals(found, rate, bool(outcome.problems))
    outcome.notes += [*_notes(system, found), *notes(tools, Load(sender.sent, rate))]


def _goals(found: dict[str, Any], rate: int, problems: bool) -> list[Goal]:
    missing = found["sent"] - found["stored"] + found["nodes_sent"] - found["talk"]  # of the talk normally nothing
    ledger = sum(found["ledger"].values())
    return [
        Goal(
            "steady rate", f"{rate:,} datagrams/s", f"{found[OFFERED]:,.0f} datagrams/s", found[OFFERED] >= _KEPT * rate
        ),
        Goal(
            "loss",
            f"at most {MOST_LOST:.3%}",
            f"{found['lost'] / found['sent']:.5%} ({found['lost']:,} of {found['sent']:,})",
            found["lost"] <= MOST_LOST * found["sent"],
        ),
        Goal(
            "ledger = sent - stored",
            "exactly, each capture one that was sent, none twice",
            f"{ledger:,} = {found['sent']:,} - {found['stored']:,}"
            if missing == ledger
            else f"{ledger:,}, not {missing:,}",
            missing == ledger and not problems,
        ),
    ]


def _notes(system: str, found: dict[str, Any]) -> list[str]:
    if system == runs.RING:
        where = "the ring's own statistics"
    else:
        where = f"SO_MEMINFO; by port {({port: n for port, n in found['drops_by_port'].items() if n}) or 'none'}"
    return [
        "ledger: " + ", ".join(f"{name} {count:,}" for name, count in sorted(found["ledger"].items())),
        f"kernel drops: {found['drops']:,} ({where}); UdpRcvbufErrors of the host meanwhile: {found['udp_errors']:,}",
        f"{found['nodes_sent']:,} keep-alives were answered by the targets meanwhile",
    ]


@contextmanager
def _nodes(scene: Scene, tools: Tools) -> Iterator[subprocess.Popen[str]]:
    """Start the nodes that answer keep-alives."""
    options = {"monitors": scene.monitors, "port": scene.port + scene.ports, "cpu": tools.send_cpu}
    command = [sys.executable, "-m", "bench.ingest.nodes", *(f"--{name}={value}" for name, value in options.items())]
    with runs.started("nodes", command) as process:
        yield process


def _udp_errors() -> int:
    """Return UdpRcvbufErrors of this network namespace."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:")
    )
    return int(dict(zip(names, values, strict=True))["RcvbufErrors"])
