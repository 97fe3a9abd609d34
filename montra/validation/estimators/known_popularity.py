"""What is true of how popular a world's keys are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from analysis.table import Table
from montra.validation.estimators.known import Known, Stated
from montra.validation.estimators.laws import Popularity
from montra.validation.estimators.made import Made

_FAMILIES = {
    "power_law": "power law",
    "power_law_cut_off": "power law with cut-off",
    "log_normal": "log-normal",
    "stretched_exponential": "stretched exponential",
}
"""Names of the families in the tables of the analysis."""


def _exponent(by_rank: bool, made: Sequence[Made]) -> float:
    law = made[0].world.popularity
    if law is None or law.family != "power_law":
        return math.nan
    return 1 / (law.a - 1) if by_rank else law.a


def _of_rates(by_rank: bool, made: Sequence[Made]) -> float:
    law = made[0].world.popularity
    if law is None or law.family != "zipf_rates":
        return math.nan
    return law.a if by_rank else 1 + 1 / law.a


def known_popularity() -> dict[str, Known]:
    """Return the truths by the names of their numbers."""
    return {
        f"popularity.{counted}_{part}{name}": partial(truth, by_rank)
        for counted in ("lookups", "searches", "publishes", "requesters")
        for part, truth in (("", _exponent), ("rate_", _of_rates))
        for name, by_rank in (("exponent", False), ("rank_exponent", True))
    }


def parameters(law: Popularity, captured: float) -> dict[str, float]:
    """Return the parameters of a law's family by the names of the analysis, of counts of which a share is captured."""
    if law.family == "power_law":
        return {"alpha": law.a}
    if law.family == "power_law_cut_off":
        return {"alpha": law.a, "cut": captured / law.b}
    if law.family == "log_normal":
        return {"mu": law.a + math.log(captured), "sigma": law.b}
    return {"beta": law.a, "tau": captured * law.b ** (-1 / law.a)}


def fits(table: Table, made: Made) -> Iterator[Stated]:
    """Yield the parameters of the family that the counts are of; table: the fits of the run."""
    law = made.world.popularity
    if law is None or law.family not in _FAMILIES:
        return
    known = parameters(law, float(made.heard.mean()))
    columns = (
        table.column(name) for name in ("counted", "of", "family", "parameter", "value", "value_low", "value_high")
    )
    for counted, of, family, parameter, value, low, high in zip(*columns, strict=True):
        if counted == "lookups" and family == _FAMILIES[law.family]:
            name = f"popularity.fit.{parameter}.{of.replace(' ', '_')}"
            told = not math.isnan(value)
            yield Stated(
                name,
                float(value),
                -math.inf if told and np.isnan(low) else float(low),
                math.inf if told and np.isnan(high) else float(high),
                known[parameter],
            )
