"""What replying to strangers costs: the fleet in silence and with replies, on the same batches, in turns.

    python -m bench.ingest.polite

No sockets: what is timed is a batch's way through scan, fleet and, for the third figure, the limits. Datagrams a second
of CPU time; the ratio of each round to silence in the same round, so that a machine that drifts does not matter.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from dataclasses import dataclass

import click
import numpy as np

from bench.ingest import traffic, world
from montra import __version__
from montra.datagrams import Counters, DatagramBatch
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Limits, LimitSettings, Rate
from montra.endpoint.outbox import Outbox

ROWS = 4096
SLOT = 192
_SEED = 5
_START_NS = 1_700_000_000 * 10**9
_PORT, _PORTS = 21_501, 25
#: Time between two batches, for the limits: 100,000 datagrams a second.
_BATCH_NS = 41_000_000


@dataclass(slots=True)
class Way:
    """One way of treating strangers. limited: replies also pass the limits of an endpoint, which let all out."""

    name: str
    built: world.World
    limited: bool


def batches(monitors: world.World, count: int, attached: traffic.Traffic) -> list[DatagramBatch]:
    """Return batches of recorded lookups; the copies of a lookup in one batch are of one requester."""
    rng = np.random.default_rng(_SEED)
    heads, made = attached.head, []
    for number in range(count):
        pick = (np.arange(ROWS) + number * ROWS) % len(heads)
        requester = rng.integers(1 << 24, 100 << 24, len(attached.key) + 1)
        buffer = np.zeros((ROWS, SLOT), np.uint8)
        buffer[:, : attached.payload.shape[1]] = attached.payload[pick]
        made.append(
            DatagramBatch(
                buffer,
                heads["length"][pick].astype(np.int32),
                np.zeros(ROWS, np.bool_),
                requester[np.minimum(heads["lookup"][pick], len(attached.key))].astype(np.uint32),
                np.full(ROWS, 6881, np.uint16),
                monitors.plan.locals_of(heads["ip"][pick].astype(np.uint32), heads["port"][pick].astype(np.uint16)),
                np.full(ROWS, _START_NS, np.int64),
            )
        )
    return made


def seconds(way: Way, given: list[DatagramBatch]) -> tuple[float, int]:
    """Return the CPU time that these batches take, and how many datagrams come out."""
    free = Rate(float("inf"), 1)
    outbox = Outbox(Limits(LimitSettings(subnet=free, replies=free)), Blocklist(), 5.0, 1000, Counters())
    overlay, fleet = way.built.overlay, way.built.fleet
    sent = 0
    begin = time.process_time()
    for number, batch in enumerate(given):
        now_ns = _START_NS + number * _BATCH_NS
        outgoing = fleet.feed(now_ns, batch, overlay.scan(batch)).outgoing
        if way.limited:
            outbox.offer(now_ns, outgoing, answers=True)
            outgoing = outbox.ready(now_ns)
        sent += len(outgoing)
    return time.process_time() - begin, sent


@click.command()
@click.option("--monitors", type=click.IntRange(1, world.MOST_MONITORS), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--batches", "count", type=click.IntRange(1), default=40, show_default=True, help="Of 4,096, each round.")
def main(monitors: int, rounds: int, count: int) -> None:
    """Print datagrams a CPU second in silence, with replies built, and with replies built and let out, as JSON."""
    silent, polite = (world.build(monitors, _PORT, _PORTS, mode) for mode in ("paper", "least"))
    attachments = [world.attach(built, monitors, _START_NS) for built in (silent, polite)]
    given = batches(silent, count, traffic.make(attachments[0]))
    ways = (Way("silent", silent, False), Way("built", polite, False), Way("let out", polite, True))
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    replies: dict[str, int] = {}
    for warm in (True, *[False] * rounds):
        for way in ways:
            taken, sent = seconds(way, given[:2] if warm else given)
            if not warm:
                rates[way.name].append(count * ROWS / taken)
                replies[way.name] = sent
    ratios = {
        way.name: [rate / still for rate, still in zip(rates[way.name], rates["silent"], strict=True)] for way in ways
    }
    figures = {
        way.name: {
            "datagrams_a_cpu_second": round(statistics.median(rates[way.name])),
            "of_silent": round(statistics.median(ratios[way.name]), 3),
            "of_silent_least_most": [round(min(ratios[way.name]), 3), round(max(ratios[way.name]), 3)],
            "replies": replies[way.name],
        }
        for way in ways
    }
    described = {
        "command": " ".join(["python -m bench.ingest.polite", *sys.argv[1:]]),
        "seed": _SEED,
        "versions": {"montra": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "monitors": monitors,
        "rounds": rounds,
        "datagrams_a_round": count * ROWS,
        "figures": figures,
    }
    click.echo(json.dumps(described, indent=2))


if __name__ == "__main__":
    main()
