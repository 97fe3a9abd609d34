"""`montra monitor`: one window on a zone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import gevent.event
from rich.live import Live
from rich.markup import escape

from montra.cli.common import Exit, RefusedError, clear_errors, console, emit, json_option, tell
from montra.cli.options import config_flags, read_config
from montra.cli.preflight import render
from montra.cli.session import Ended, Observer, run_window
from montra.cli.view import status_table
from montra.endpoint.host import host_facts
from montra.processes.build import check_division
from montra.window.config import Config
from montra.window.preflight import preflight
from montra.window.status import Status
from montra.window.window import Window


class Lines(Observer):
    """One line a minute, where no terminal is."""

    def begun(self, run: Path, window: Window) -> None:
        """Say where the run goes."""
        click.echo(f"run {run}", err=True)

    def status(self, status: Status, minute: bool) -> None:
        """Say how it stands."""
        if minute:
            click.echo(status.line(), err=True)


class View(Observer):
    """A table that is written anew every second, on a terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._title = ""

    def begun(self, run: Path, window: Window) -> None:
        """Say where the run goes."""
        self._title = str(run)

    def status(self, status: Status, minute: bool) -> None:
        """Show how it stands."""
        self._live.update(status_table(self._title, status), refresh=True)


def refuse_what_cannot_run(config: Config) -> None:
    """Raise RefusedError if the preflight says no, and say what it warns of; ConfigError for what cannot be divided."""
    check_division(config)
    checks = preflight(config, host_facts())
    refused = [c for c in checks if c.level == "refuse"]
    if refused:
        raise RefusedError([f"{c.name}: {c.finding}" + (f"; {c.remedy}" if c.remedy else "") for c in refused])
    warnings = [c for c in checks if c.level == "warn"]
    if warnings:
        console.print(render(warnings))


def exit_code(ended: Ended) -> Exit:
    """Return the exit code of a window."""
    return {"complete": Exit.OK, "interrupted": Exit.INTERRUPTED}.get(ended.exit, Exit.PARTIAL)


@click.command(epilog="Example: montra monitor -c configs/lab.toml --duration 10m")
@config_flags
@click.option("--dry-run", is_flag=True, help="Check everything, send nothing, write nothing.")
@json_option
@clear_errors
def monitor(config_path: Path, overrides: dict[str, Any], dry_run: bool, as_json: bool) -> None:
    """Crawl a zone back to back, put a monitor beside each of its nodes, keep what they capture.

    Ends when its time is over, or with Ctrl-C or SIGTERM, and seals the run folder in each case.
    """
    config = read_config(config_path, overrides)
    refuse_what_cannot_run(config)
    if dry_run:
        emit(as_json, {"ok": True}, lambda: click.echo("the configuration can run on this host; nothing was sent"))
        return
    stop = gevent.event.Event()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            ended = run_window(config, View(live), stop)
    else:
        ended = run_window(config, Lines(), stop)
    value = {
        "run": str(ended.run),
        "exit": ended.exit,
        "reason": ended.reason,
        "captures": ended.manifest.captures,
        "crawls": ended.manifest.crawls,
        "targets": ended.manifest.attachments,
    }

    def text() -> None:
        reason = f" ({escape(ended.reason)})" if ended.reason else ""
        tell(
            f"{ended.exit}{reason}: {ended.manifest.captures} captures of {ended.manifest.attachments} monitors, "
            f"{ended.manifest.crawls} crawls; sealed"
        )
        click.echo(str(ended.run))

    emit(as_json, value, text)
    code = exit_code(ended)
    if code:
        raise SystemExit(int(code))
