"""`montra lab`: the private network of real clients, in the foreground, to point a window at from another terminal."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from montra.cli.common import Exit, clear_errors, require_extra, say
from montra.lab.settings import ChurnSettings, LabError, LabSettings, WorkloadSettings
from montra.window.units import parse_duration


@click.command(epilog="Example: montra lab --duration 15m, then: montra monitor -c configs/lab.toml --duration 10m")
@click.option("--nodes", default=128, show_default=True, help="Nodes up at any time.")
@click.option("--zone", default="a4/6", show_default=True, help="Zone in which three quarters of the nodes lie.")
@click.option("--duration", default="15m", show_default=True, help="How long lookups go on.")
@click.option("--lookups-per-minute", default=60.0, show_default=True, help="Lookups that only search.")
@click.option("--announces-per-minute", default=20.0, show_default=True, help="Lookups that end in an announce.")
@click.option("--churn", default="", help="Mean session of a node, such as 2m; nobody leaves without it.")
@click.option("--seed", default=1, show_default=True, help="Seed of IDs, keys and times.")
@click.option(
    "--out", default="montra-lab", show_default=True, type=click.Path(path_type=Path), help="Folder for truth."
)
@clear_errors
def lab(
    nodes: int,
    zone: str,
    duration: str,
    lookups_per_minute: float,
    announces_per_minute: float,
    churn: str,
    seed: int,
    out: Path,
) -> None:
    """Run a private network of real libtorrent nodes on loopback until its workload is over or Ctrl-C.

    What its nodes looked up, sent and received goes to OUT/lab.jsonl. It needs no privileges and sends nothing
    beyond 127.0.0.0/8.
    """
    try:
        from montra.lab.runner import run_lab
    except ImportError as error:
        raise require_extra(error, "lab") from error
    try:
        seconds = parse_duration(duration)
        settings = LabSettings(
            out=str(out),
            nodes=nodes,
            zone=zone,
            seed=seed,
            workload=WorkloadSettings(
                lookups=round(lookups_per_minute * seconds / 60),
                announces=round(announces_per_minute * seconds / 60),
                duration_s=seconds,
                announce_within=1.0,
            ),
            churn=ChurnSettings(mean_session_s=parse_duration(churn) if churn else 0.0),
            autostart=True,
            max_life_s=seconds + 600,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    say(f"starting {nodes} libtorrent nodes from {settings.subnet}.1.1 on; truth goes to {out}/lab.jsonl")
    try:
        done = run_lab(settings)
    except LabError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(int(Exit.INTERRUPTED)) from None
    say(f"done: {done.lookups} lookups, {done.announces} announces, {done.skipped} skipped")
