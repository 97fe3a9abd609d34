"""What all verbs share: exit codes, how errors are said, JSON for machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from rich.console import Console

from montra.endpoint.errors import EndpointError
from montra.endpoint.plan import PlanError
from montra.window.config import ConfigError
from zone_store.keyspace.zone import ZoneError
from zone_store.run.folder import RunError

P = ParamSpec("P")
R = TypeVar("R")

#: Progress goes to standard error, results to standard output.
console = Console(stderr=True, highlight=False)
results = Console(highlight=False)


class Exit(IntEnum):
    """Exit codes of every verb."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTIAL = 3
    REFUSED = 4
    INTERRUPTED = 130


class RefusedError(Exception):
    """The preflight found the host unable to hold the run; `problems` has one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(f"montra: {line}", err=True)


def clear_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that users can mend into one line each and the exit code for them."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ConfigError as error:
            _say(error.problems)
            code = Exit.USAGE
        except RefusedError as error:
            _say(error.problems)
            code = Exit.REFUSED
        except ZoneError as error:
            _say([f"zone: {error}"])
            code = Exit.USAGE
        except (RunError, EndpointError, PlanError) as error:
            _say([str(error)])
            code = Exit.ERROR
        except OSError as error:
            _say([f"{error.filename}: {error.strerror}" if error.filename else str(error)])
            code = Exit.ERROR
        raise SystemExit(int(code))

    return wrapped


def say(text: str) -> None:
    """Tell of progress: one line of markup, never broken where no terminal asks for it."""
    console.print(text, soft_wrap=True)


def steps() -> Callable[[str], None]:
    """Return a `say` whose lines begin with the seconds that have passed since now."""
    begin = time.monotonic()

    def step(text: str) -> None:
        say(f"[dim]{time.monotonic() - begin:6.1f} s[/]  {text}")

    return step


def tell(text: str) -> None:
    """Print a line of a result: markup, never broken."""
    results.print(text, soft_wrap=True)


def require_extra(error: ImportError, extra: str) -> click.ClickException:
    """Return the error that says which extra is missing."""
    return click.ClickException(f"{error.name} is not installed; this needs: pip install 'montra[{extra}]'")


def emit(as_json: bool, value: Any, text: Callable[[], None]) -> None:
    """Print `value` as JSON on standard output, or call `text` for people."""
    if as_json:
        click.echo(json.dumps(value, indent=2, sort_keys=True, default=str))
    else:
        text()


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Processes to attribute in [default: one for each CPU, 1 if small]."
)
run_argument = click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
