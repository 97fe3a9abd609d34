"""The options that say after which time clients publish again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from montra.cli.options import DurationType
from montra.window.analyze import Republish

P = ParamSpec("P")
R = TypeVar("R")

_SORTS = ("file", "keyword")


def republish_options(function: Callable[P, R]) -> Callable[..., R]:
    """Add an option for each thing that is published; the verb gets what was given as its `republish`."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        given: dict[str, float] = {}
        for sort in _SORTS:
            seconds = kwargs.pop(f"republish_{sort}")
            if isinstance(seconds, float):
                given[sort] = seconds
        republish: Republish = given
        kwargs["republish"] = republish
        return function(*args, **kwargs)

    for sort in reversed(_SORTS):
        wrapped = click.option(
            f"--republish-{sort}",
            type=_Positive(),
            help=f"Time after which clients publish a {sort} again, to tell publishers from rates [as known of them].",
        )(wrapped)
    return wrapped


class _Positive(DurationType):
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = super().convert(value, param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} is no time after which anything can be repeated", param, ctx)
        return seconds
