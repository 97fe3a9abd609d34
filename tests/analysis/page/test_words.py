"""How numbers are said: as many digits as their interval carries."""

from __future__ import annotations

import math

import pytest

from analysis.page.words import Said, cell, duration, said_of, size


@pytest.mark.parametrize(
    ("value", "unit", "low", "high", "words"),
    [
        (12.3456, "a minute", 11.23, 13.71, Said("12.3", "a minute", "11.2", "13.7")),
        (0.93456, "share", 0.9123, 0.9567, Said("93.5 %", "", "91.2", "95.7 %")),
        (0.00123456, "share", 0.00101, 0.00151, Said("0.123 %", "", "0.101", "0.151 %")),
        (31250.4, "nodes", 30100.2, 32400.9, Said("31,250", "nodes", "30,100", "32,401")),
        (0.34567, "", 0.3401, 0.3512, Said("0.346", "", "0.340", "0.351")),
        (383.0, "nodes", 383.0, 383.0061, Said("383.00", "nodes", "383.00", "383.01")),
        (1.0, "share", 0.9996, 1.0, Said("100.00 %", "", "99.96", "100.00 %")),
        (1.0, "share", 1.0, 1.0, Said("100 %", "", "100", "100 %")),
        (5.0, "a minute", 4.0, math.inf, Said("5", "a minute", "4", "∞")),
        (3723.0, "s", 3600.0, 3900.0, Said("1 h 2 min", "", "1 h", "1 h 5 min")),
    ],
)
def test_an_interval_decides_the_digits(value: float, unit: str, low: float, high: float, words: Said) -> None:
    assert said_of(value, unit, low, high) == words


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234567.0, "lookups", "1,234,567"),
        (0.123456, "a minute", "0.123"),
        (1234.5678, "a minute", "1,235"),
        (0.5, "share", "50.0 %"),
        (0.00012345, "share", "0.0123 %"),
        (0.0, "share", "0 %"),
        (3 << 20, "bytes", "3.0 MiB"),
        (math.nan, "nodes", "not told"),
        (0.04999, "p", "0.050"),
        (1e-30, "p", "< 0.001"),
        (2e-12, "", "< 0.000001"),
    ],
)
def test_without_an_interval_there_are_three_digits(value: float, unit: str, text: str) -> None:
    said = said_of(value, unit)
    assert said.value == text
    assert said.bounds == ""


def test_one_of_something_is_one() -> None:
    units = ("nodes", "addresses", "lookups a minute", "a minute", "")
    assert [said_of(1.0, unit).unit for unit in units] == ["node", "address", "lookup a minute", "a minute", ""]
    assert said_of(1.0, "nodes", 1.0, 2.0).unit == "nodes"


def test_bounds_stand_together() -> None:
    assert said_of(12.3456, "a minute", 11.23, 13.71).bounds == "11.2 to 13.7"


@pytest.mark.parametrize(
    ("value", "unit", "name", "text"),
    [
        (1795273200_000000000, "ns", "first", "2026-11-21 15:00:00"),
        (1795273200_000000000, "", "begin_ns", "2026-11-21 15:00:00"),
        (0, "ns", "lost_ns", ""),
        (64512, "", "as_number", "64512"),
        (64512, "lookups", "lookups", "64,512"),
        (True, "", "sealed", "yes"),
        (math.nan, "share", "share", ""),
        (0.25, "share", "share", "25.0 %"),
        (90, "s", "length", "1 min 30 s"),
        ("text", "", "name", "text"),
    ],
)
def test_cells_of_tables(value: object, unit: str, name: str, text: str) -> None:
    assert cell(value, unit, name) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.14, "3.1 s"), (59.4, "59 s"), (60, "1 min"), (86400, "1 d"), (90061, "1 d 1 h"), (math.inf, "any length")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes() -> None:
    assert [size(n) for n in (0, 1023, 1024, 5 << 30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
