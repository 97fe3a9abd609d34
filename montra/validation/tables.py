"""A comparison as tables of text for a terminal, and as a file for the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from montra.validation.comparison import Comparison

#: The file of a comparison in its run folder, where the report finds it.
VALIDATION = "validation.json"
#: `Cause.what` in words.
_MISSED = {"capture": "not captured", "destination": "observed destination", "inferred": "inferred destination"}


def rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return (name, value) rows, the findings first, then what explains them."""
    apart = comparison.told_apart
    return [
        ("Lookups captured", str(comparison.capture)),
        ("  lookups of a key not independent", str(comparison.capture_by_key)),
        ("  captured and counted", str(comparison.counted)),
        ("  lookups that only search", str(comparison.capture_lookups)),
        ("  lookups that lead to an announce", str(comparison.capture_announces)),
        *([("Search or publish told right, of those captured", str(apart))] if apart.trials else []),
        ("Observed destination right, of those captured", str(comparison.destination)),
        ("  lookups of a key not independent", str(comparison.destination_by_key)),
        ("Inferred destination right, of those captured", str(comparison.inferred)),
        ("  lookups of a key not independent", str(comparison.inferred_by_key)),
        ("Lookups that nobody made", str(comparison.unexplained)),
        ("Not counted", _reasons(comparison.excluded)),
        *facts(comparison),
        ("Lookups that reached the closest node", str(comparison.reached_closest)),
    ]


def why_missed(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the table of causes: a header, then what was missed, why, how often, of those and of all, by client."""
    header = ("Missed", "Cause", "Count", "Of these", "Of all", "By client", "Meaning")
    found = [
        (
            _MISSED[cause.what],
            cause.cause.replace("_", " "),
            str(cause.count),
            _share(cause.share),
            f"{cause.of_all:.2%}",
            ", ".join(f"{client} {count}" for client, count in cause.by_client.items()),
            cause.meaning,
        )
        for cause in comparison.causes
    ]
    return [header, *found]


def by_group(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the results by client and label: a header, then a row for each."""
    header = ("By", "", "Captured", "Observed destination", "Inferred destination")
    found = [
        (group.by, group.name, str(group.capture), str(group.destination), str(group.inferred))
        for group in comparison.groups
    ]
    return [header, *found]


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
    """Return the rows as aligned lines of plain text, then the causes of misses and the results by client."""
    tables: list[list[tuple[str, ...]]] = [list(rows(comparison)), why_missed(comparison), by_group(comparison)]
    return "\n\n".join("\n".join(aligned(table)) for table in tables if len(table) > 1)


def built(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as plain data, with its facts as text for the report."""
    plain: dict[str, Any] = {**msgspec.to_builtins(comparison), "facts": facts(comparison)}
    return plain


def document(comparison: Comparison) -> bytes:
    """Return the comparison as one JSON object, as the report reads it; NaN and infinity are null."""
    return msgspec.json.format(msgspec.json.encode(built(comparison)), indent=2)


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines as long as they are: folded to a terminal's width, or a pipe's 80, none can read them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _reasons(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1f}"


def _delay(seconds: float) -> str:
    return "not reached" if math.isinf(seconds) else f"{_number(seconds)} s"


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"
