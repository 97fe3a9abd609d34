"""`montra bench wire`: obfuscated requests of Kad opened and scanned, beside the cipher alone."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import click

from bench.common import machine
from bench.common.compiler import BenchError
from bench.common.options import Common, common
from bench.common.outcome import Curve, Outcome, ratios, summary
from bench.wire.process import BATCH_ROWS, MONITORS, SYSTEMS

RATE, SEALED = "read (datagrams a CPU second)", "sealed (datagrams a CPU second)"
SHARE = "the cipher's share of montra's time"

NOTES = (
    f"datagrams are REQ of strangers, encrypted by the ID of one of {MONITORS} monitors, in batches of {BATCH_ROWS}; "
    "they are made before the clock starts, and the keys read are compared with those asked for",
    "montra opens and scans a batch, clear does so with the same requests unencrypted; cipher is the MD5 and RC4 of "
    "the same bytes and nothing else, which no way of reading them can do without",
    "sealing is that of as many REQ, by the receiver's ID",
)


@click.command("wire")
@click.option("--datagrams", type=click.IntRange(1000), default=100_000, show_default=True, help="In each round.")
@common(sizes=(10_000, 30_000, 100_000, 300_000))
def command(given: Common, datagrams: int) -> Outcome:
    """Open obfuscated requests of Kad and find what they ask for.

    Systems: montra, montra on the same requests in the clear, the cipher alone. Figures: datagrams a CPU second in and
    out, and how much of montra's time is the cipher's.
    """
    outcome = Outcome("wire", machine.describe(given.folder), {"datagrams": datagrams}, notes=list(NOTES))
    for number in range(given.rounds):
        found = {system: _measure(system, datagrams, outcome.problems) for system in SYSTEMS}
        for other in ("clear", "cipher"):
            del found[other][SEALED]
        found["montra"][SHARE] = found["montra"][RATE] / found["cipher"][RATE]
        outcome.rounds.append(found)
        told = ", ".join(f"{system} {one[RATE]:,.0f}" for system, one in found.items())
        given.say(f"round {number + 1} of {given.rounds}: datagrams a CPU second: {told}")
    outcome.summarise(RATE, SEALED, SHARE)
    for other in ("clear", "cipher"):
        outcome.ratios[f"montra / {other}: {RATE}"] = ratios(outcome.rounds, "montra", other, RATE)
    if given.sizes:
        costs = []
        for size in given.sizes:
            found_rates = [_measure("montra", size, outcome.problems)[RATE] for _ in range(given.rounds)]
            costs.append(size / summary(found_rates).median)
        outcome.curves.append(Curve("wire", "datagrams", tuple(map(float, given.sizes)), "CPU seconds", tuple(costs)))
    return outcome


def _measure(system: str, datagrams: int, problems: list[str]) -> dict[str, Any]:
    """Let one system read the datagrams in a fresh process; returns its figures."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.wire.process", system, str(datagrams)], capture_output=True, text=True
    )
    if done.returncode:
        raise BenchError(f"{system}: {done.stderr.strip().splitlines()[-1]}")
    found = json.loads(done.stdout)
    if found["wrong"]:
        problems.append(f"{system}: {found['wrong']} batches were not read as they were written")
    return {RATE: datagrams / found["cpu"], SEALED: datagrams / found["sealing"]}
