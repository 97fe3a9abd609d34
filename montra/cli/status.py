"""`montra status`: a running or ended window, seen from another terminal."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.markup import escape

from montra.cli.common import clear_errors, emit, json_option, run_argument, tell
from montra.window.status import last_status
from montra.window.units import format_duration
from zone_store.run.folder import read_manifest


@click.command(epilog="Example: montra status runs/20261121T150000Z_mainline_a4-6")
@run_argument
@json_option
@clear_errors
def status(run: Path, as_json: bool) -> None:
    """Show how the window in RUN stands: its last row of numbers."""
    manifest = read_manifest(run)
    try:
        row = last_status(run / "status.csv")
    except FileNotFoundError:
        row = None
    state = f"ended ({manifest.exit})" if manifest.sealed else "running or cut off (not sealed)"
    value = {"run": run.name, "sealed": manifest.sealed, "exit": manifest.exit, "zone": manifest.zone, "last": row}

    def text() -> None:
        tell(f"[bold]{run.name}[/]: {manifest.overlay} zone {manifest.zone}, {state}")
        if row is None:
            tell("no status row yet")
            return
        age = time.time() - row["time_ns"] / 1e9
        for name, shown in row.items():
            if name not in ("time_ns", "problem"):
                tell(f"  {name:<16} {shown}")
        tell(f"  {'row written':<16} {format_duration(max(0.0, age))} ago")
        if row["problem"]:
            tell(f"  [yellow]{escape(row['problem'])}[/]")

    emit(as_json, value, text)
