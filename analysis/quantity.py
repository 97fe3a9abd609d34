"""A number of the report: its value, how sure it is, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number with its 95 % interval and its provenance.

    name: of its own in its chapter, lower_case; value, NaN where it cannot be told; unit: such as "a minute", "share",
    "nodes"; meaning: what of the world it estimates, in one sentence; function: dotted name of what computed it, see
    `made_by`; inputs: what of the run it was computed from, of `INPUTS`; low, high: bounds, NaN where none are stated;
    method: how the bounds were made, and what they leave out; withheld: why the value is NaN.
    """

    name: str
    value: float
    unit: str
    meaning: str
    function: str
    inputs: tuple[str, ...]
    low: float = math.nan
    high: float = math.nan
    method: str = ""
    withheld: str = ""

    @property
    def told(self) -> bool:
        """Tell whether there is a value."""
        return not math.isnan(self.value)

    @property
    def bounded(self) -> bool:
        """Tell whether an interval is stated."""
        return not (math.isnan(self.low) or math.isnan(self.high))


INPUTS = ("lookups", "captures", "targets", "crawls", "ledger", "canaries", "validation", "contents", "manifest")
"""What a number may be computed from: parts of a run folder."""


def made_by(function: Callable[..., Any]) -> str:
    """Return the dotted name of a function or class, by which a reader finds it."""
    return f"{function.__module__}.{function.__qualname__}"
