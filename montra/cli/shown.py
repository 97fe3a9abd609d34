"""The options that say what of content is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from montra.window.analyze import Shown

P = ParamSpec("P")
R = TypeVar("R")


def shown_options(function: Callable[P, R]) -> Callable[..., R]:
    """Add --wordlist and --names; the verb gets what was given as its `shown`."""

    @click.option(
        "--wordlist",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File of words, one a line, to read keywords by: unknown ones stay hashes.",
    )
    @click.option(
        "--names",
        is_flag=True,
        help="Show names and tags of files, and addresses of who published or searched them: personal data, left out "
        "of every output otherwise.",
    )
    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        wordlist, names = kwargs.pop("wordlist"), kwargs.pop("names")
        kwargs["shown"] = Shown(wordlist if isinstance(wordlist, Path) else None, bool(names))
        return function(*args, **kwargs)

    return wrapped
