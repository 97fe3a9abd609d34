"""The truth of each number that the analysis states an interval for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from montra.validation.estimators.known import Drawn, Known
from montra.validation.estimators.known_imbalance import known_imbalance
from montra.validation.estimators.known_network import known_network
from montra.validation.estimators.known_over import known_over
from montra.validation.estimators.known_popularity import known_popularity
from montra.validation.estimators.known_traffic import known_traffic
from montra.validation.estimators.made import Made

KNOWN: dict[str, Known] = {
    **known_traffic(),
    **known_imbalance(),
    **known_network(),
    **known_popularity(),
    **known_over(),
}
"""By name, "chapter.number"."""


def truth_of(name: str, made: Sequence[Made]) -> float | Drawn:
    """Return what is true of a number in the runs of a trial; NaN where nothing is known of it."""
    return KNOWN[name](made) if name in KNOWN else math.nan
