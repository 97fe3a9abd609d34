"""The options that say how people are kept out of what is made of runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from analysis.privacy.key import KEY, destroy_key
from montra.cli.common import clear_errors, say
from montra.window.analyze import BY_DEFAULT, Privacy

R = TypeVar("R")


def privacy_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add --k, --key, --destroy-key and --geo to a verb that takes `runs`; it gets what was given as its `privacy`.

    Keys are destroyed after the verb has done its work; if it fails they stay.
    """

    @click.option(
        "--k",
        "least_people",
        type=click.IntRange(1),
        default=BY_DEFAULT.least_people,
        show_default=True,
        help="Leave out of every output what fewer requesters than this share; 1: leave out nothing.",
    )
    @click.option(
        "--key",
        "key",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"File of the key that makes addresses pseudonyms, made if it is not there; runs with one key can be "
        f"joined by requesters [RUN/{KEY}, a key for each run].",
    )
    @click.option(
        "--destroy-key",
        "destroy",
        is_flag=True,
        help="Afterwards destroy the keys of RUNS, and the one of --key: nobody can make these pseudonyms again.",
    )
    @click.option(
        "--geo",
        "places",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="MaxMind database (.mmdb) of AS numbers or countries, asked about addresses before they become "
        "pseudonyms; may be given several times.",
    )
    @wraps(function)
    def wrapped(**kwargs: Any) -> R:
        least_people, key = kwargs.pop("least_people"), kwargs.pop("key")
        places, destroy = kwargs.pop("places"), kwargs.pop("destroy")
        kwargs["privacy"] = Privacy(least_people=least_people, key=key, places=tuple(places))
        result = function(**kwargs)
        if destroy:
            _destroy(kwargs["runs"], key)
        return result

    return wrapped


@clear_errors
def _destroy(runs: tuple[Path, ...], key: Path | None) -> None:
    for run in runs:
        for path in destroy_key(run, key):
            say(f"destroyed {path}")
