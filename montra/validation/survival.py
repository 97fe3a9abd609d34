"""Quantiles of delays of which some are only known to be longer than something."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple


class Delay(NamedTuple):
    """A delay: its length if `ended`, else the time for which it had lasted when it was seen last (censored)."""

    seconds: float
    ended: bool


def quantiles(delays: Iterable[Delay], shares: Sequence[float]) -> list[float]:
    """Return, for each share, the least time by which at least that share has ended; infinite where none is reached.

    By the product-limit estimate (E. L. Kaplan, P. Meier, JASA 53, 1958): one censored at the time of an end is still
    at risk of it. NaN for no delays.
    """
    ordered = sorted(delays)
    if not ordered:
        return [math.nan] * len(shares)
    found = [math.inf] * len(shares)
    at_risk, lasting = len(ordered), 1.0
    for seconds, group in groupby(ordered, key=lambda delay: delay.seconds):
        here = list(group)
        ends = sum(delay.ended for delay in here)
        lasting *= 1 - ends / at_risk
        at_risk -= len(here)
        for i, share in enumerate(shares):
            # the product of fractions misses round shares by a hair
            if ends and 1 - lasting >= share - 1e-12 and seconds < found[i]:
                found[i] = seconds
    return found
