"""What a window's canaries say: on the page, in the tables, and in corrected rates."""

import csv
import io
import json
import math
from pathlib import Path

import pytest

from analysis.analyze import analyze
from analysis.given import Given
from analysis.page.articles import article
from analysis.page.render import render
from analysis.result import Analysis
from analysis.trust.canaries import Canaries, MissCause, Share
from analysis.trust.capture import BY_CANARIES, BY_TRUTH, PUBLISHES, CaptureRate, capture_of
from analysis.trust.validation import Proportion, Validation

from ..page.parsed import Page, words

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


def page_of(analysis: Analysis) -> str:
    """Return the words of the page about one run, without figures."""
    page, _ = render([article("run1", analysis, drawn=False)], trace_file="report.json")
    return words(Page(page).text)


def test_a_corrected_rate_carries_the_interval() -> None:
    found = capture_of(CANARIES, Validation())
    assert found == CaptureRate(1421 / 1440, 0.979, 0.992, 1440, BY_CANARIES)
    assert found.corrected(100.0) == pytest.approx((100 * 1440 / 1421, 100 / 0.992, 100 / 0.979))


def test_users_ask_for_few_keys_so_less_is_known_of_what_was_captured_of_them() -> None:
    found = CaptureRate(0.9, 0.88, 0.92, 1000, BY_CANARIES)
    many, few = found.of_users(1e12), found.of_users(4.0)
    assert (many.share, many.low, many.high) == pytest.approx((0.9, 0.9 - 1.107 * 0.02, 0.9 + 1.107 * 0.02))
    assert few.low == pytest.approx(0.9 - math.hypot(1.107 * 0.02, 1.96 / 3 * 0.1 / 2))
    assert few.high <= 1.0
    assert found.of_users(0.0) == found
    perfect = CaptureRate(1.0, 0.99, 1.0, 400, BY_CANARIES).of_users(10.0)
    assert (perfect.share, perfect.high) == (1.0, 1.0)


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
    text = page_of(analyze(sample_run, given=Given(canaries=CANARIES)))
    opening = "This window captured 98.7 % (97.6 to 99.6 %) of the lookups whose truth is known"
    assert opening in text
    assert text.index(opening) < text.index("A window is judged by")
    assert "named the right destination of 99.2 % (98.6 to 99.6 %)" in text
    assert "captured 98.7 % (97.9 to 99.2 %) 1,440" in text
    assert "Of 1,443 made, these cannot be judged and are left out: reached nobody 3. Corrected rates" in text
    assert "its monitor was not seen" in text


def test_a_window_without_canaries_says_so(sample_run: Path) -> None:
    text = page_of(analyze(sample_run))
    assert "What this window missed was not measured" in text
    assert "This window made no canaries" in text


def test_a_window_whose_canaries_cannot_be_judged_says_so(sample_run: Path) -> None:
    none = Canaries(3, {"reached_nobody": 3}, *[Share(0, 0, math.nan, 0.0, 1.0)] * 3)
    text = page_of(analyze(sample_run, given=Given(canaries=none)))
    assert "Of 3 made, these cannot be judged and are left out: reached nobody 3." in text


def test_rates_are_corrected_by_canaries(sample_run: Path) -> None:
    analysis = analyze(sample_run, given=Given(canaries=CANARIES))

    def rows(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((analysis.out / f"{name}.csv").read_text())))

    told = [row for row in rows("rates") if row["lookups_per_minute"]]
    assert len(told) == 108
    for row in told:
        low, raw, high = (float(row[f"lookups_per_minute{end}"]) for end in ("_low", "", "_high"))
        assert low <= raw * 1440 / 1421 <= high
    assert [(row["what"], row["hits"], row["trials"]) for row in rows("canaries")] == [
        ("captured", "1421", "1440"),
        ("observed_destination_right", "1400", "1421"),
        ("inferred_destination_right", "1410", "1421"),
    ]
    assert [(row["cause"], row["count"]) for row in rows("canary_misses")] == [("not_visible", "19")]
    quantities = json.loads((analysis.out / "analysis.json").read_text())["quantities"]
    assert quantities["trust.canaries_captured"]["value"] == pytest.approx(1421 / 1440)
    raw = quantities["traffic.lookups_a_minute"]["value"]
    assert quantities["traffic.lookups_a_minute_corrected"]["value"] == pytest.approx(raw * 1440 / 1421)


def test_without_canaries_no_rate_is_corrected(sample_run: Path) -> None:
    analysis = analyze(sample_run)
    quantities = json.loads((analysis.out / "analysis.json").read_text())["quantities"]
    assert quantities["trust.capture_rate"]["value"] is None
    assert quantities["traffic.lookups_a_minute_corrected"]["value"] is None
    assert (analysis.out / "canaries.csv").read_text() == "what,hits,trials,share,low,high\n"
