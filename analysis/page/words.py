"""How the page says numbers: no more digits than their interval carries, in units that people read."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, NamedTuple

from analysis.load import NANOS
from analysis.quantity import Quantity

UNKNOWN = "not told"
_SIGNIFICANT = 3
_MOST_DIGITS = 5
_MOST_DECIMALS = 9
_LEAST_P = 0.001
_TINY = 1e-6
_BYTES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


class Said(NamedTuple):
    """A number in words: the value, its unit ("" where the value holds it), and the bounds, "" where there are none."""

    value: str
    unit: str
    low: str
    high: str

    @property
    def bounds(self) -> str:
        """The interval, "1.2 to 1.9"; "" where none is stated, or the value is sure to the last digit shown."""
        sure = self.low == self.value.removesuffix(" %") and self.high == self.value
        return f"{self.low} to {self.high}" if self.low and not sure else ""


def said(quantity: Quantity) -> Said:
    """Return a quantity in words."""
    return said_of(quantity.value, quantity.unit, quantity.low, quantity.high)


def said_of(value: float, unit: str, low: float = math.nan, high: float = math.nan) -> Said:
    """Return a number of a unit, with bounds or NaN, in words."""
    if math.isnan(value):
        return Said(UNKNOWN, "", "", "")
    if unit == "p":
        return Said("< 0.001" if value < _LEAST_P else _fixed(value, 3), "", "", "")
    bounded = not (math.isnan(low) or math.isnan(high))
    if unit in ("s", "seconds"):
        return Said(duration(value), "", *((duration(low), duration(high)) if bounded else ("", "")))
    if unit == "bytes":
        return Said(size(value), "", *((size(low), size(high)) if bounded else ("", "")))
    factor, ending = (100.0, " %") if unit in ("share", "%") else (1.0, "")
    if unit == "%":
        factor = 1.0
    value, low, high = factor * value, factor * low, factor * high
    digits = _decimals(value, low, high) if bounded else _plain_decimals(value, share=bool(ending))
    value_text = f"< {_TINY:.6f}" if 0 < value < _TINY and not bounded else _fixed(value, digits)
    if value_text == "1":
        unit = _singular(unit)
    if not bounded:
        return Said(value_text + ending, "" if ending else unit, "", "")
    return Said(value_text + ending, "" if ending else unit, _fixed(low, digits), _fixed(high, digits) + ending)


def _singular(unit: str) -> str:
    first, gap, rest = unit.partition(" ")
    return first.removesuffix("es" if first.endswith("sses") else "s") + gap + rest


def cell(value: Any, unit: str = "", name: str = "") -> str:
    """Return one value of a table's column in words; `name` of the column tells times, labels and names."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit == "ns" or name.endswith("_ns"):
        return when(int(value)) if value else ""
    if isinstance(value, int):
        if unit in ("s", "seconds", "bytes"):
            return said_of(value, unit).value
        return str(value) if name in ("as_number", "port", "year") else f"{value:,}"
    if isinstance(value, float):
        return "" if math.isnan(value) else said_of(value, unit).value
    return str(value).capitalize() if name == "overlay" else str(value)


def percent(value: float, digits: int = 1) -> str:
    """Return a share as a percentage."""
    return UNKNOWN if math.isnan(value) else f"{100 * value:.{digits}f} %"


def size(value: float) -> str:
    """Return bytes in the largest unit that leaves at least one of it."""
    for unit, name in _BYTES:
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value:.0f} B"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    if math.isnan(seconds):
        return UNKNOWN
    if math.isinf(seconds):
        return "any length"
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    for length, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= length:
            rest = whole % length // smaller
            return f"{whole // length:,} {unit} {rest} {name}" if rest else f"{whole // length:,} {unit}"
    return f"{whole} s"


def when(time_ns: int) -> str:
    """Return a time, UTC, in whole seconds."""
    return f"{datetime.fromtimestamp(time_ns // NANOS, UTC):%Y-%m-%d %H:%M:%S}"


def sentence(text: str) -> str:
    """Return words as a sentence: a capital letter and a full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def _decimals(value: float, low: float, high: float) -> int:
    """Return how many decimals leave two digits of the interval's width, and three of the value where that is none.

    An interval so narrow that this takes more than five digits of the value is not worth them.
    """
    width = high - low
    if not width > 0 or math.isinf(width):
        return _plain_decimals(value, share=False)
    wanted = max(0, 1 - math.floor(math.log10(width)))
    large = max(abs(bound) for bound in (value, low, high))
    return min(wanted, max(0, _MOST_DIGITS - 1 - math.floor(math.log10(large))), _MOST_DECIMALS)


def _plain_decimals(value: float, *, share: bool) -> int:
    """Return how many decimals leave three digits of a value that has no interval; none for a count."""
    if not value or math.isinf(value) or (value == round(value) and not share):
        return 0
    if share and abs(value) >= 0.1:
        return 1 if abs(value) >= 1 else 2
    return min(max(0, _SIGNIFICANT - 1 - math.floor(math.log10(abs(value)))), _MOST_DECIMALS)


def _fixed(value: float, digits: int) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.{digits}f}"
