"""What a run's settings and crawls say of how late departures are noticed."""

from __future__ import annotations

import pytest

from montra.window.chances import chances_of
from zone_store.attribution.chances import LAB
from zone_store.captures import CrawlRow


def crawls(*seconds: float) -> list[CrawlRow]:
    return [CrawlRow(i, 0, int(s * 1e9), 1, 1, 0, 0, 0, 1, 1, 0.0, 0.0, 0.0, 0.0) for i, s in enumerate(seconds)]


def test_departures_are_noticed_after_crawls_checks_and_questions() -> None:
    parameters = {
        "crawl": {"gone_after": 3, "recheck_s": 5.0, "pause_s": 3.0},
        "monitors": {"reply_timeout_s": 4.0},
    }
    found = chances_of(parameters, crawls(20.0, 30.0, 100.0))
    assert found.noticed_s == (2 * 30 + 5 + 8, 2 * 30 + 5 + 8 + 45)
    assert found.doubted_s == 8.0
    # Crawls that are over at once rest before the next.
    assert chances_of(parameters, crawls(0.1)).noticed_s == (2 * 3 + 13, 2 * 3 + 13 + 4.5)
    assert chances_of({"merged": [{"parameters": parameters}]}, crawls(30.0)) == found


@pytest.mark.parametrize("parameters", [{}, {"crawl": {"gone_after": "never"}, "monitors": 7}, {"merged": ()}])
def test_settings_that_a_manifest_lacks_are_the_defaults(parameters: dict[str, object]) -> None:
    assert chances_of(parameters, []) == LAB
    fast_s, slow_s = chances_of(parameters, crawls(60.0)).noticed_s
    assert slow_s - fast_s == 90.0
    assert fast_s > 60.0
