import pytest

from crawler.settings import CrawlSettings, nanoseconds


def test_defaults_are_the_documented_ones() -> None:
    settings = CrawlSettings()
    assert (settings.timeout_s, settings.retries, settings.queries_per_node) == (2.0, 1, 2)
    assert (settings.gone_after, settings.pause_s, settings.spacing_s) == (2, 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", 0.0),
        ("retries", -1),
        ("queries_per_node", 0),
        ("pause_s", 0.0),
        ("max_pps", -1.0),
        ("max_in_flight", 0),
        ("max_crawl_s", float("nan")),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"crawl setting {name} = "):
        CrawlSettings(**{name: value})


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"crawl setting sample_share = .* must be at most 1"):
        CrawlSettings(sample_share=1.5)


def test_no_spacing_and_no_retries_are_allowed() -> None:
    assert CrawlSettings(spacing_s=0.0, retries=0).retries == 0


def test_a_longest_rest_below_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="silent_max_s"):
        CrawlSettings(silent_s=60.0, silent_max_s=30.0)


def test_nanoseconds_rounds() -> None:
    assert nanoseconds(0.1) == 100_000_000
    assert nanoseconds(1e-9) == 1
