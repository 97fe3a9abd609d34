"""What a comparison with the truth said of a run: the `validation.json` beside it.

It holds shares as {"share", "low", "high", "trials"} by name, causes of misses as `MissCause`, lookups left out as
"excluded", and "facts", rows of (name, value).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from analysis.network.clients import plain_name
from analysis.trust.canaries import MissCause

VALIDATION = "validation.json"

_WHAT = {
    "capture": "Lookups captured",
    "capture_by_key": "the same, lookups of a key not independent",
    "counted": "captured and counted",
    "capture_lookups": "captured, of lookups that only search",
    "capture_announces": "captured, of lookups that publish, or lead to an announce",
    "told_apart": "Search or publish told right, of those captured",
    "destination": "Observed destination right, of those captured",
    "destination_by_key": "the same, lookups of a key not independent",
    "inferred": "Inferred destination right, of those captured",
    "inferred_by_key": "the same, lookups of a key not independent",
    "own_monitor": "Sent to an instrumented node nearest to the key, captured by its own monitor",
    "any_monitor": "the same, captured by any monitor",
    "unexplained": "Lookups that nobody made, of those counted",
    "reached_closest": "True destination was the nearest node alive",
}


@dataclass(frozen=True, slots=True)
class Proportion:
    """A validated share with its 95 % interval, and the number of tries it rests on; what: its `name` in words."""

    name: str
    what: str
    share: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True, slots=True)
class Validation:
    """What a validation file says; problem: what is wrong with it.

    causes: why what was missed was missed; excluded: (reason, count) of lookups left out; facts: further (name, value)
    rows.
    """

    proportions: tuple[Proportion, ...] = ()
    causes: tuple[MissCause, ...] = ()
    excluded: tuple[tuple[str, int], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def read_validation(path: Path) -> Validation:
    """Read a comparison of a run with the truth; nothing if there is none, what is wrong as its `problem`."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return Validation()
    except (OSError, ValueError, RecursionError):
        return Validation(problem=f"{path.name} could not be read")
    if not isinstance(data, dict):
        data = {}
    proportions = [
        proportion for name, what in _WHAT.items() if (proportion := _proportion(name, what, data.get(name)))
    ]
    facts = data.get("facts")
    rows = [row for row in facts if isinstance(row, list) and len(row) == 2] if isinstance(facts, list) else []
    problem = "" if proportions else f"{path.name} holds no share with an interval"
    return Validation(
        tuple(proportions),
        _causes(data.get("causes")),
        tuple(_reasons(data.get("excluded"))),
        tuple((str(name), str(value)) for name, value in rows),
        problem,
    )


def _causes(entry: object) -> tuple[MissCause, ...]:
    """Return the causes of misses of a validation file, without what is none."""
    found = []
    for row in entry if isinstance(entry, list) else []:
        try:
            cause = msgspec.convert(row, MissCause)
        except msgspec.ValidationError:
            continue
        found.append(replace(cause, cause=plain_name(cause.cause.replace("_", " "))))
    return tuple(found)


def _reasons(entry: object) -> list[tuple[str, int]]:
    """Return the counts above zero of a validation file's reasons."""
    if not isinstance(entry, dict):
        return []
    return [
        (plain_name(reason.replace("_", " ")), count)
        for reason, count in entry.items()
        if isinstance(count, int) and count
    ]


def _proportion(name: str, what: str, entry: object) -> Proportion | None:
    """Return a proportion of a validation file, None if it is none or rests on no trial."""
    if not isinstance(entry, dict):
        return None
    numbers = [entry.get(one) for one in ("share", "low", "high", "trials")]
    share, low, high, trials = (float(n) if isinstance(n, int | float) else math.nan for n in numbers)
    if not all(map(math.isfinite, (share, low, high, trials))) or trials <= 0:
        return None
    return Proportion(name, what, share, low, high, int(trials))
