"""What a window's canaries say: on the page, in the tables, and in corrected rates."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from analysis.analyze import analyze
from analysis.given import Given
from analysis.page.report import report
from analysis.trust.canaries import Canaries, MissCause, Share
from analysis.trust.capture import BY_CANARIES, BY_TRUTH, PUBLISHES, CaptureRate, capture_of
from analysis.trust.validation import Proportion, Validation

from ..page.test_report import Page, words

CAUSE = MissCause("capture", "not_visible", 19, 1.0, 19 / 1440, "its monitor was not seen", {"canary": 19})
CANARIES = Canaries(
    lookups=1443,
    excluded={"reached_nobody": 3},
    capture=Share(1421, 1440, 1421 / 1440, 0.979, 0.992),
    observed=Share(1400, 1421, 1400 / 1421, 0.977, 0.990),
    inferred=Share(1410, 1421, 1410 / 1421, 0.986, 0.996),
    causes=(CAUSE,),
)
NOTHING = Canaries(5, {}, Share(0, 5, 0.0, 0.0, 0.43), *[Share(0, 0, math.nan, 0.0, 1.0)] * 2)


def test_a_corrected_rate_carries_the_interval() -> None:
    found = capture_of(CANARIES, Validation())
    assert found == CaptureRate(1421 / 1440, 0.979, 0.992, 1440, BY_CANARIES)
    assert found.corrected(100.0) == pytest.approx((100 * 1440 / 1421, 100 / 0.992, 100 / 0.979))


def test_what_corrects_is_canaries_then_publishes_then_all_lookups_then_nothing() -> None:
    both = Proportion("capture", "", 0.9, 0.8, 0.95, 40), Proportion("capture_announces", "", 0.95, 0.9, 0.97, 30)
    assert capture_of(None, Validation(both), PUBLISHES) == CaptureRate(0.95, 0.9, 0.97, 30, BY_TRUTH)
    assert (
        capture_of(NOTHING, Validation(both))
        == capture_of(None, Validation(both[:1]), PUBLISHES)
        == CaptureRate(0.9, 0.8, 0.95, 40, BY_TRUTH)
    )
    assert capture_of(NOTHING, Validation()) is None
    assert CaptureRate(0.5, 0.0, 1.0, 1, BY_TRUTH).corrected(1.0) == (2.0, 1.0, math.inf)


def test_the_page_opens_with_it(sample_run: Path) -> None:
    text = words(Page(report([sample_run], given=lambda _: Given(canaries=CANARIES))).text)
    opening = (
        "This window captured 98.7 % (95 % interval 97.9 % to 99.2 %) of its 1,440 canaries, and named the right "
        "destination of 99.2 % of these (95 % interval 98.6 % to 99.6 %)."
    )
    assert opening in text
    assert text.index(opening) < text.index("lookups")
    assert "raw; corrected 0.6 (0.6 to 0.6)" in text
    assert "Canaries captured 98.7 % 97.9 % to 99.2 % 1,440" in text
    assert "Of 1,443 made, these cannot be judged and are left out: reached nobody 3. Corrected rates" in text
    assert "not captured not visible 19 100.0 % 1.32 % its monitor was not seen" in text


def test_a_window_without_canaries_says_so(sample_run: Path) -> None:
    text = words(Page(report([sample_run])).text)
    assert "What this window missed was not measured." in text
    assert "This window made no canaries." in text
    assert "raw; maintenance left out" in text


def test_a_window_whose_canaries_cannot_be_judged_says_so(sample_run: Path, empty_run: Path) -> None:
    none = Canaries(3, {"reached_nobody": 3}, *[Share(0, 0, math.nan, 0.0, 1.0)] * 3)
    made = {sample_run: none, empty_run: None}
    text = words(Page(report([sample_run, empty_run], given=lambda run: Given(canaries=made[run]))).text)
    assert "None of this window's 3 canaries can be judged" in text
    assert "not measured not measured" in text
    assert "Of 3 made, these cannot be judged and are left out: reached nobody 3." in text


def test_tables_have_raw_and_corrected_rates(sample_run: Path) -> None:
    analysis = analyze(sample_run, given=Given(canaries=CANARIES))

    def rows(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((analysis.out / f"{name}.csv").read_text())))

    for row in rows("rates") + rows("top_keys"):
        raw = row["lookups_per_minute"]
        assert (row["corrected_per_minute"] == "") == (raw == "")
        if raw:
            assert float(row["corrected_per_minute"]) == pytest.approx(float(raw) * 1440 / 1421)
            assert float(row["corrected_low"]) <= float(row["corrected_per_minute"]) <= float(row["corrected_high"])
    assert [(row["what"], row["hits"], row["trials"]) for row in rows("canaries")] == [
        ("captured", "1421", "1440"),
        ("observed_destination_right", "1400", "1421"),
        ("inferred_destination_right", "1410", "1421"),
    ]
    assert [(row["cause"], row["count"]) for row in rows("canary_misses")] == [("not_visible", "19")]
    summary = json.loads((analysis.out / "analysis.json").read_text())
    assert summary["canaries"]["capture"]["hits"] == 1421
    assert summary["lookups_per_minute_corrected"]["rate"] == pytest.approx(summary["lookups_per_minute"] * 1440 / 1421)


def test_without_canaries_no_rate_is_corrected(sample_run: Path) -> None:
    analysis = analyze(sample_run)
    summary = json.loads((analysis.out / "analysis.json").read_text())
    assert summary["canaries"] is None
    assert summary["lookups_per_minute_corrected"] == {"rate": None, "low": None, "high": None}
    assert (analysis.out / "canaries.csv").read_text() == "what,hits,trials,share,low,high\n"
