"""`montra config`: show what a run would use, or write a configuration to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from montra.cli.common import clear_errors, emit, json_option
from montra.cli.options import config_flags, read_config
from montra.window import shipped
from montra.window.config import to_toml


@click.group()
def config() -> None:
    """Show or write a run's configuration."""


@config.command(epilog="Example: montra config show -c configs/lab.toml --duration 5m")
@config_flags
@json_option
@clear_errors
def show(config_path: Path, overrides: dict[str, Any], as_json: bool) -> None:
    """Print the effective configuration: file, environment and flags together, defaults filled in."""
    effective = read_config(config_path, overrides)
    emit(as_json, msgspec.to_builtins(effective), lambda: click.echo(to_toml(effective), nl=False))


@config.command(epilog="Example: montra config init my-run.toml")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--kind", type=click.Choice(shipped.KINDS), default="mainline-6bit", show_default=True)
@clear_errors
def init(path: Path, kind: str) -> None:
    """Write a documented configuration to PATH (which must not exist), and the blocklist it names beside it."""
    text = shipped.text(kind)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    click.echo(str(path))
    blocklist = path.with_name(shipped.BLOCKLIST)
    if shipped.BLOCKLIST in text and not blocklist.exists():
        blocklist.write_text((shipped.folder() / shipped.BLOCKLIST).read_text("utf-8"), encoding="utf-8")
        click.echo(str(blocklist))
