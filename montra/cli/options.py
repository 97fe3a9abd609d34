"""The flags that change a configuration, shared by the verbs that take one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from montra.window import config as configuration
from montra.window.config import Config
from montra.window.units import parse_duration

F = TypeVar("F", bound=Callable[..., Any])


class WorkersType(click.ParamType[int | str]):
    """A number, or "auto"."""

    name = "n|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number or the word; fails with one line for anything else."""
        text = str(value)
        if text != "auto" and not (text.isascii() and text.isdigit()):
            self.fail(f"{text!r} is neither a number nor auto", param, ctx)
        return text if text == "auto" else int(text)


class DurationType(click.ParamType[float]):
    """A length of time, such as 50ms, 90s or 10m; 0 is none."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds; fails with one line for anything else."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            if text.endswith("ms"):
                return parse_duration(text[:-2]) / 1000
            return parse_duration(text) if text != "0" else 0.0
        except ValueError:
            self.fail(f"{text!r} is no length of time such as 50ms, 90s or 10m", param, ctx)


class ShareType(click.ParamType[float]):
    """A share, such as 1% or 0.01."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the share as a fraction of 1; fails with one line for anything else."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"{text!r} is no share such as 1% or 0.01", param, ctx)


class NumbersType(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them, each from 1 to `most` (None: any)."""

    name = "n,n,..."

    def __init__(self, most: int | None = None) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, each once; fails with one line for anything else."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
        if len(numbers) < len(parts) or min(numbers) < 1 or (self._most and max(numbers) > self._most):
            end = f"to {self._most}" if self._most else "on"
            self.fail(f"{value!r} is no list of whole numbers from 1 {end}, such as 1,2,4", param, ctx)
        return tuple(dict.fromkeys(numbers))


def results_options(name: str, seed: str, *, new: bool = False) -> Callable[[F], F]:
    """Return what adds --seed (`seed`: of what) and --out, a folder for results that is montra-NAME if none is named.

    new: the folder must not be there (see `refuse_old`).
    """

    def add(function: F) -> F:
        folder = click.Path(file_okay=False, path_type=Path)
        said = "New folder for results." if new else "Folder for results."
        out = click.option("-o", "--out", default=f"montra-{name}", show_default=True, type=folder, help=said)
        result: F = click.option("--seed", default=1, show_default=True, help=f"Seed of {seed}.")(out(function))
        return result

    return add


def refuse_old(out: Path) -> None:
    """Raise ClickException for a folder that is there."""
    if out.exists():
        raise click.ClickException(f"{out} is there already; choose a new folder")


_FLAGS: tuple[tuple[str, str, type | WorkersType, str], ...] = (
    ("--zone", "zone", str, "Zone to monitor: a4/6, 0xa4/8 or bits such as 101001."),
    ("--duration", "duration", str, "Length of the window: 6h, 10m, 90s."),
    ("--seed", "seed", int, "Seed of all random choices; 0 draws one and records it."),
    ("--runs", "storage.runs", str, "Parent folder of run folders."),
    ("--max-targets", "monitors.max_monitors", int, "Most monitors at a time."),
    ("--every", "monitors.every", int, "One monitor at least for each group of so many neighbours; 1: one for each."),
    ("--workers", "processes.workers", WorkersType(), "Processes that hold monitors, or auto: one for each CPU."),
    ("--replies", "replies.mode", str, "What strangers who ask get: least, paper (silence), or one policy for all."),
    ("--blocklist-file", "responsible.blocklist", str, "Addresses and CIDR blocks never sent to."),
)


def _twin(flag: str) -> str:
    """Return the environment's twin of a flag, the same for every verb: what preflight checks, monitor runs."""
    return "MONTRA_" + flag.lstrip("-").replace("-", "_").upper()


def config_flags(function: F) -> F:
    """Add the configuration file and the flags that override it, gathered as `overrides` (dotted name -> value)."""

    @wraps(function)
    def gather(*args: Any, **kwargs: Any) -> Any:
        overrides = {dotted: kwargs.pop(flag.lstrip("-").replace("-", "_")) for flag, dotted, _, _ in _FLAGS}
        rate = kwargs.pop("rate")
        if rate is not None:
            most = {"per_s": rate, "burst": max(1, int(rate // 4))}
            overrides |= {"limits.total": most, "limits.replies": most}
        return function(*args, overrides=overrides, **kwargs)

    wrapped: Any = gather
    wrapped = click.option(
        "-r",
        "--rate",
        type=float,
        help="Most packets a second, and most replies a second to strangers beside them.",
        envvar="MONTRA_RATE",
        show_envvar=True,
    )(wrapped)
    for flag, _, kind, text in reversed(_FLAGS):
        wrapped = click.option(flag, type=kind, help=text, envvar=_twin(flag), show_envvar=True)(wrapped)
    wrapped = click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(dir_okay=False, path_type=Path),
        required=True,
        envvar="MONTRA_CONFIG",
        show_envvar=True,
        help="TOML file of the run (see configs/ and `montra config init`).",
    )(wrapped)
    result: F = wrapped
    return result


def read_config(path: Path, overrides: dict[str, Any], *, crawl_only: bool = False) -> Config:
    """Return the checked configuration of a file and flags; raises ConfigError.

    Relative names of files in the file are relative to it; one given as a flag is relative to where we are.
    """
    document = configuration.load(path)
    for section, name in ((document.get("responsible"), "blocklist"), (document, "bootstrap_file")):
        if isinstance(section, dict) and isinstance(section.get(name), str) and section[name]:
            section[name] = str(path.parent / section[name])
    config = configuration.parse(configuration.merge(document, overrides))
    configuration.validate(config, crawl_only=crawl_only)
    return config
