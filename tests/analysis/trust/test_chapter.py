"""Trust: what tells how far numbers go, and that nobody's word is no number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.analyze import analyze
from analysis.trust.canaries import Canaries, MissCause, Share

from ..samples import GIVEN

CANARIES = Canaries(
    lookups=30,
    excluded={"no_answer": 10},
    capture=Share(16, 20, 0.8, 0.584, 0.919),
    observed=Share(12, 16, 0.75, 0.505, 0.898),
    inferred=Share(0, 0, float("nan"), float("nan"), float("nan")),
    causes=(MissCause("capture", "unknown", 4, 1.0, 0.2, "nobody knows", {}),),
)


def test_nobody_told_the_capture_rate(sample_run: Path) -> None:
    trust = analyze(sample_run, given=GIVEN).trust
    (rate,) = trust.quantities()
    assert (rate.name, rate.told, rate.bounded) == ("capture_rate", False, False)
    assert "no lookups of its own" in rate.withheld
    assert [len(table) for table in trust.tables()] == [0, 0, 0, 4]


def test_canaries_tell_it_before_a_validation(sample_run: Path) -> None:
    share = {"share": 0.5, "low": 0.4, "high": 0.6, "trials": 100}
    (sample_run / "validation.json").write_text(json.dumps({"capture": share}))
    by_truth = analyze(sample_run, given=GIVEN).trust
    (rate,) = by_truth.quantities()
    assert (rate.value, rate.inputs) == (0.5, ("validation",))
    assert 0.1 < rate.low < 0.4 < 0.6 < rate.high < 0.9  # wider: five lookups for two keys may be missed unlike others
    assert [len(table) for table in by_truth.tables()] == [0, 0, 1, 4]
    trust = analyze(sample_run, given=replace(GIVEN, canaries=CANARIES)).trust
    found = {one.name: one for one in trust.quantities()}
    assert list(found) == ["capture_rate", "canaries_captured", "canaries_observed", "canaries_inferred"]
    assert (found["capture_rate"].value, found["capture_rate"].inputs) == (0.8, ("canaries",))
    assert (found["canaries_observed"].low, found["canaries_observed"].high) == (0.505, 0.898)
    assert (found["canaries_inferred"].told, found["canaries_inferred"].withheld) == (False, "none could be judged")
    canaries, misses, validated, _ = trust.tables()
    assert canaries.column("what") == ["captured", "observed_destination_right", "inferred_destination_right"]
    assert misses.column("count") == pytest.approx([4])
    assert validated.column("name") == ["capture"]
