import pytest

from montra.window.units import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21600), ("10m", 600), ("90s", 90), ("90", 90), ("1h30m", 5400), ("1d", 86400), ("0.5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-5s", "0", "6 hours", "1h30", "5x", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.24, "8.2s"), (65, "1m05s"), (5400, "1h30m"), (21600, "6h00m"), (59.96, "60.0s")]
)
def test_how_durations_are_shown(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("text", "size"), [("500MB", 500_000_000), ("2GiB", 2 << 30), ("12", 12), ("1.5kB", 1500)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1GB", "1XB", "1 GB extra"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)
