"""`montra preflight`: can this host hold the run?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from montra.cli.common import Exit, clear_errors, emit, json_option, results
from montra.cli.options import config_flags, read_config
from montra.endpoint.host import host_facts
from montra.window.kernel import Check
from montra.window.preflight import preflight as check_host

COLOURS = {"ok": "green", "warn": "yellow", "refuse": "red"}


def render(checks: list[Check]) -> Table:
    """Return the findings as a table."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        remedy = f"\n[dim]-> {escape(check.remedy)}[/]" if check.remedy else ""
        table.add_row(f"[{COLOURS[check.level]}]{check.level}[/]", check.name, escape(check.finding) + remedy)
    return table


@click.command(epilog="Example: montra preflight -c configs/mainline-6bit.toml")
@config_flags
@json_option
@clear_errors
def preflight(config_path: Path, overrides: dict[str, Any], as_json: bool) -> None:
    """Check what this host can hold: addresses, ports, descriptors, buffers, memory, disk, clock, bootstrap.

    Sends nothing and changes nothing. Exit code 4 if the run would be refused.
    """
    checks = check_host(read_config(config_path, overrides), host_facts())
    emit(as_json, [dataclasses.asdict(check) for check in checks], lambda: results.print(render(checks)))
    if any(check.level == "refuse" for check in checks):
        raise SystemExit(int(Exit.REFUSED))
