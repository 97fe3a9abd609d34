"""Reliability tables of literal claims."""

from __future__ import annotations

import math

import pytest

from montra.validation.reliability import Claim, claims_of, reliability, summary, table


def claims(confidence: float, right: int, wrong: int, targets: int = 0) -> list[Claim]:
    """Return so many claims, of so many targets in turn (0: each of its own)."""
    held = [True] * right + [False] * wrong
    return [Claim(confidence, one, ("run", i % targets if targets else i)) for i, one in enumerate(held)]


def test_a_table_of_literal_claims() -> None:
    found = reliability([*claims(0.5, 1, 3), *claims(0.75, 3, 1), *claims(1.0, 2, 0)])
    filled = [one for one in found.bins if one.right.trials]
    assert [(one.low, one.high, one.confidence) for one in filled] == [(0.4, 0.6, 0.5), (0.6, 0.8, 0.75), (0.99, 1, 1)]
    assert [one.right.share for one in filled] == [0.25, 0.75, 1.0]
    assert [one.gap for one in filled] == [-0.25, 0.0, 0.0]
    assert (found.right.hits, found.right.trials, found.confidence) == (6, 10, pytest.approx(0.7))
    # 4 of 10 lookups are 0.25 off.
    assert found.expected_error == pytest.approx(0.1)
    assert found.brier == pytest.approx((0.25 * 4 + 3 * 0.0625 + 0.5625) / 10)
    assert math.isnan(found.worst_gap)
    assert not found.calibrated
    assert "no bin is well filled" in summary(found)


def test_bins_begin_at_their_lower_edge() -> None:
    found = reliability([Claim(0.0, True), Claim(0.9, True), Claim(0.95, True), Claim(1.0, True)], (0.0, 0.9, 0.95))
    assert [one.right.trials for one in found.bins] == [1, 1, 2]
    assert found.bins[-1].high == 1.0


def test_calibrated_is_every_well_filled_bin_within_five_points() -> None:
    good = [*claims(0.92, 900, 100), *claims(0.97, 960, 40)]
    found = reliability(good)
    assert found.calibrated
    assert found.worst_gap == pytest.approx(0.02)
    assert summary(found).startswith("calibrated within 5 points: worst well-filled bin 0.020 off")
    # A bin that is off by more; and one too small to tell, which does not count.
    assert not reliability([*good, *claims(0.7, 900, 100)]).calibrated
    assert reliability([*good, *claims(0.7, 9, 1)]).calibrated


def test_lookups_of_one_target_do_not_fill_a_bin() -> None:
    (one,) = (b for b in reliability(claims(0.92, 900, 100)).bins if b.right.trials)
    (few,) = (b for b in reliability(claims(0.92, 900, 100, targets=0)[:900], (0.9,)).bins if b.right.trials)
    assert one.well_filled
    assert few.well_filled
    shared = [Claim(0.92, target > 0, ("run", target)) for target in range(10) for _ in range(100)]
    (clustered,) = (b for b in reliability(shared).bins if b.right.trials)
    assert (clustered.right.trials, clustered.by_target.clusters, clustered.well_filled) == (1000, 10, False)


def test_nothing_claimed() -> None:
    found = reliability([])
    assert summary(found) == "no lookup to judge"
    assert not found.calibrated
    assert table(found) == [("Confidence", "Lookups", "Targets", "Mean", "Right", "95 %", "Gap")]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"outside \[0, 1\]"):
        reliability([Claim(confidence, True)])


def test_the_table_says_which_bins_tell_little() -> None:
    rows = table(reliability([*claims(0.92, 950, 50), *claims(0.5, 1, 1)]))
    assert rows[1][:5] == ("0.40 to 0.60", "2", "2", "0.500", "0.500")
    assert rows[1][-1] == "+0.000 (few)"
    assert rows[2] == ("0.90 to 0.95", "1000", "1000", "0.920", "0.950", "0.935 to 0.962", "+0.030")


def test_claims_are_of_captured_lookups() -> None:
    from types import SimpleNamespace

    found = SimpleNamespace(row=SimpleNamespace(confidence=0.75, inferred=7))
    verdicts = [
        SimpleNamespace(found=found, inferred=None),
        SimpleNamespace(found=found, inferred="near"),
        SimpleNamespace(found=None, inferred=None),
    ]
    judged = SimpleNamespace(verdicts=verdicts)
    assert claims_of(judged, "run") == [Claim(0.75, True, ("run", 7)), Claim(0.75, False, ("run", 7))]  # type: ignore[arg-type]
