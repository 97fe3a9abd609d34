"""`montra bench`: speed measured side by side, in one run, as ratios. The benchmarks live in `bench/` of a checkout."""

from __future__ import annotations

import importlib

import click

from montra.cli.lazy import LazyGroup

VERBS = {
    "analyse": "Turn captures into the report; rates of keys beside pandas.",
    "attach": "Hold a million monitors: introductions, keep-alives, memory.",
    "attribute": "Turn captures into lookups, beside DuckDB.",
    "crawl": "Crawl a large zone, beside asking one node at a time.",
    "ingest": "Take in copies of lookups, beside a plain receiver and a loop in C.",
    "store": "Bytes and time for each capture stored, beside DuckDB.",
    "wire": "Open and scan obfuscated requests of Kad, beside the cipher alone.",
}


def _load(verb: str) -> click.Command:
    try:
        module = importlib.import_module(f"bench.{verb}.command")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "bench":
            raise click.ClickException("the benchmarks are part of a checkout: run montra from there") from None
        raise click.ClickException(
            f"{error.name} is not installed: scripts/install brings all the benchmarks need"
        ) from None
    command: click.Command = module.command
    return command


@click.group(cls=LazyGroup, verbs=VERBS, load=_load)
def bench() -> None:
    """Measure montra on this machine, side by side with other ways, in one run.

    Rates are ratios of medians over several rounds; cost is shown against size. Traffic stays on loopback. Needs a
    checkout and, for the sending side, a C compiler. A missed goal is printed, never a failure.
    """
