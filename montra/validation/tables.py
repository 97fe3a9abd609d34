"""A comparison as rows of text, for a terminal or a report."""

from __future__ import annotations

import math

from montra.validation.comparison import Comparison


def rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return (name, value) rows, the findings first, then what explains them."""
    copies, arrivals = comparison.copies, comparison.arrivals
    table = [
        ("Lookups captured", str(comparison.capture)),
        ("  searches", str(comparison.capture_lookups)),
        ("  announces", str(comparison.capture_announces)),
        ("Destination right", str(comparison.destination)),
        ("Copies of a lookup", f"mean {_number(copies.mean)}, median {_number(copies.median)}"),
        ("Missed", _reasons(comparison.capture_misses)),
        ("Wrong destination", _reasons(comparison.destination_misses)),
        ("Not counted", _reasons(comparison.excluded)),
        ("Captured in parts", str(comparison.split)),
        ("Taken for maintenance", str(comparison.misfiled)),
        ("Zone's node time covered", _share(comparison.coverage)),
        ("Lookups that reached the closest node", str(comparison.reached_closest)),
    ]
    if arrivals.nodes:
        table.append(("Arrivals made visible", f"{arrivals.visible} of {arrivals.nodes}"))
        delay = f"median {_number(arrivals.median_s)} s, 90 % within {_number(arrivals.p90_s)} s"
        table.append(("Start to visible", delay))
    return table


def text(comparison: Comparison) -> str:
    """Return the rows as aligned lines of plain text."""
    table = rows(comparison)
    width = max(len(name) for name, _ in table)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in table)


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1f}"


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"
