"""A comparison as rows of text for a terminal, and as a file for the report."""

from __future__ import annotations

import math

import msgspec

from montra.validation.comparison import Comparison


def rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return (name, value) rows, the findings first, then what explains them."""
    return [
        ("Lookups captured", str(comparison.capture)),
        ("  lookups of a key not independent", str(comparison.capture_by_key)),
        ("  captured and counted", str(comparison.counted)),
        ("  lookups that only search", str(comparison.capture_lookups)),
        ("  lookups that lead to an announce", str(comparison.capture_announces)),
        ("Destination right, of those captured", str(comparison.destination)),
        ("  lookups of a key not independent", str(comparison.destination_by_key)),
        ("Lookups that nobody made", str(comparison.unexplained)),
        ("Missed", _reasons(comparison.capture_misses)),
        ("Wrong destination", _reasons(comparison.destination_misses)),
        ("Not counted", _reasons(comparison.excluded)),
        *facts(comparison),
        ("Lookups that reached the closest node", str(comparison.reached_closest)),
    ]


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the rows that are neither a share with its interval nor a list of reasons."""
    copies, arrivals, crawls = comparison.copies, comparison.arrivals, comparison.completeness
    table = [
        (
            "Commands",
            f"{comparison.lookups} given, {comparison.skipped} skipped, {comparison.capture.trials} judged",
        ),
        ("Distinct, of those judged", f"{comparison.keys} keys, {comparison.destinations} destinations"),
        ("Copies of a lookup", f"mean {_number(copies.mean)}, median {_number(copies.median)}"),
        ("Captured in parts", str(comparison.split)),
        ("Taken for maintenance", str(comparison.misfiled)),
        ("Zone's node time covered", _share(comparison.coverage)),
        (
            "True completeness of crawls",
            f"median {_share(crawls.median)}, least {_share(crawls.least)} of {crawls.crawls}",
        ),
        (
            "  own estimate, interval held truth",
            f"median {_share(crawls.estimate_median)}, {crawls.held} of {crawls.estimated}",
        ),
    ]
    if arrivals.nodes:
        unseen = f"{arrivals.left} left before, {arrivals.waiting} at the end"
        table.append(("Arrivals made visible, unseen", f"{arrivals.visible} of {arrivals.nodes}, {unseen}"))
        table.append(("Start to visible", f"median {_delay(arrivals.median_s)}, 90 % within {_delay(arrivals.p90_s)}"))
    return table


def text(comparison: Comparison) -> str:
    """Return the rows as aligned lines of plain text."""
    table = rows(comparison)
    width = max(len(name) for name, _ in table)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in table)


def document(comparison: Comparison) -> bytes:
    """Return the comparison as one JSON object, with its facts as text for the report; NaN and infinity are null."""
    return msgspec.json.format(
        msgspec.json.encode({**msgspec.to_builtins(comparison), "facts": facts(comparison)}), indent=2
    )


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1f}"


def _delay(seconds: float) -> str:
    return "not reached" if math.isinf(seconds) else f"{_number(seconds)} s"


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"
