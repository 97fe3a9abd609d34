"""The disruption table as text, as CSV, and what must be said beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

from montra.validation.disruption.strays import Strays
from montra.validation.disruption.summary import BAR, NONE, RESOLUTION_S, Row, Spread

#: What a reader must know to read the table.
NOTES = (
    "Times run from a client's first query for a key to its first announce_peer, read off the packets.",
    f"Ratio: of medians to the network without monitors; times below {RESOLUTION_S} s count as {RESOLUTION_S} s, "
    "since a lookup on one machine takes milliseconds.",
    "Real, To mon.: nodes and monitors announced to. Displaced: of the closest nodes (8, rTorrent 3), those that got "
    f"no announce. Holds: ratio at most {BAR}, and no more displaced than without monitors.",
    "Transmission takes its steps at random times 10 to 20 s apart, with monitors and without: compare ranges.",
)


def delays(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return who waits and who is left out, as strings, a header first."""
    header = ("Client", "Replies", "First announce (s)", "Ratio", "Displaced", "Holds")
    return [
        header,
        *(
            (
                row.client,
                row.policy,
                _range(row.first_announce_s, 2),
                _number(row.ratio, 1),
                f"{row.displaced} of {row.wanted}",
                "" if row.policy == NONE else ("yes" if row.holds else "no"),
            )
            for row in rows
        ),
    ]


def efforts(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return what each lookup took and brought, as strings, a header first; numbers without a range are medians."""
    header = ("Client", "Replies", "Real", "To mon.", "Lookup (s)", "Peers", "Packets", "Mon. asked")
    return [
        header,
        *(
            (
                row.client,
                row.policy,
                _range(row.announced, 0),
                _number(row.to_monitors.median, 0),
                _range(row.lookup_s, 1),
                _number(row.found.median, 0),
                _number(row.sent.median, 0),
                _number(row.monitors_asked.median, 0),
            )
            for row in rows
        ),
    ]


def stray_table(found: Mapping[str, Strays]) -> list[tuple[str, ...]]:
    """Return in whose tables monitors were, by policy: a header first."""
    header = ("Replies", "Nodes naming a foreign monitor", "Pairs", "Other ID", "Longest (s)")
    return [
        header,
        *(
            (
                policy,
                ", ".join(f"{client} {count}" for client, count in one.holders.items()) or "none",
                str(one.pairs),
                str(one.far),
                f"{one.seconds:.0f}",
            )
            for policy, one in found.items()
        ),
    ]


def as_csv(rows: Sequence[Row]) -> str:
    """Return all figures of all rows, one line each."""
    text = io.StringIO()
    writer = csv.writer(text)
    flat = [_flat(row) for row in rows]
    writer.writerows([list(flat[0]), *(one.values() for one in flat)] if flat else [])
    return text.getvalue()


def _flat(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name in row.__slots__:
        value = getattr(row, name)
        if isinstance(value, Spread):
            flat |= {name: value.median, f"{name}_least": value.least, f"{name}_most": value.most}
        else:
            flat[name] = value
    return flat


def _range(values: Spread, digits: int) -> str:
    middle = _number(values.median, digits)
    if values.least == values.most:
        return middle
    return f"{middle} ({_number(values.least, digits)}-{_number(values.most, digits)})"


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    return f"{value:.1f}" if digits == 0 and value != int(value) else f"{value:.{digits}f}"
