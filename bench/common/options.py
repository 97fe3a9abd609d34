"""What every verb of `montra bench` takes, and how it ends."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from bench.common import plot, text
from bench.common.compiler import BenchError
from bench.common.outcome import Outcome


class Common(NamedTuple):
    """rounds: how often each system runs; sizes: for the curve; folder: a temporary one; say: progress, to stderr."""

    rounds: int
    sizes: tuple[int, ...]
    folder: Path
    say: Callable[[str], None]


class Sizes(click.ParamType[tuple[int, ...]]):
    """Two or more rising whole numbers with commas between; an empty text is none."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them."""
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part.replace("_", "")) for part in str(value).split(",") if part)
        except ValueError:
            self.fail(f"{value!r}: write whole numbers with commas between", param, ctx)
        if sizes and (min(sizes) < 2 or list(sizes) != sorted(set(sizes)) or len(sizes) < 2):
            self.fail("two or more different sizes of at least 2, rising", param, ctx)
        return sizes


def common(sizes: tuple[int, ...]) -> Callable[[Callable[..., Outcome]], Callable[..., None]]:
    """Give a verb its common options; the function gets a `Common` first and returns an Outcome.

    --sizes "" leaves the curve out. Exit status 1 if something does not add up; a missed goal is no failure.
    """

    def decorate(run: Callable[..., Outcome]) -> Callable[..., None]:
        @click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Runs of each system.")
        @click.option(
            "--sizes",
            type=Sizes(),
            default=",".join(map(str, sizes)),
            show_default=True,
            help="For the curve of cost against size; empty: no curve.",
        )
        @click.option(
            "--folder",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            help="Where temporary stores go [default: the system's].",
        )
        @click.option(
            "--plot",
            "figure",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Draw cost against size into this file (.svg, .pdf, .png).",
        )
        @click.option("--json", "as_json", is_flag=True, help="Print everything measured as JSON, nothing else.")
        @functools.wraps(run)
        def command(
            rounds: int, sizes: tuple[int, ...], folder: Path | None, figure: Path | None, as_json: bool, **own: Any
        ) -> None:
            try:
                with tempfile.TemporaryDirectory(prefix="montra-bench-", dir=folder) as temporary:
                    say = functools.partial(click.echo, err=True)
                    outcome = run(Common(rounds, sizes, Path(temporary), say), **own)
            except BenchError as error:
                raise click.ClickException(str(error)) from None
            if figure is not None and outcome.curves:
                plot.draw(outcome.curves, figure)
            click.echo(json.dumps(outcome.as_dict(), indent=2) if as_json else "\n".join(text.lines(outcome)))
            sys.exit(1 if outcome.problems else 0)

        return command

    return decorate
