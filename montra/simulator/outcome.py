"""What the experiment found, as a table (Markdown, CSV), a document (JSON) and a figure (SVG), beside the paper's."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from analysis.page.style import INK, MUTED, SERIES, axes, svg
from montra.simulator.experiment import ZoneResult
from montra.validation.comparison import Comparison, Group
from montra.validation.wilson import Proportion, wilson

#: The files' names, by overlay.
NAMES: Mapping[str, str] = {"mainline": "simulated-zones", "kad": "simulated-kad-zones"}

#: Asks no contact whose ID does not fit its IP (BEP 42), so no monitor on IPv4: what it looks up is beyond reach.
OUT_OF_REACH = "anacrolix"


class Shares(NamedTuple):
    """Share of lookups captured, and of those captured with the right destination."""

    capture: float
    destination: float


#: What the paper found in zones of so many bits, by hand, in windows of six hours (its Fig. 3 and 4).
PAPER: Mapping[int, Shares] = {
    5: Shares(0.82, 0.73),
    6: Shares(0.95, 0.90),
    7: Shares(0.95, 0.90),
    8: Shares(0.95, 0.90),
}
#: What montra is to reach at least.
BAR = Shares(0.99, 0.98)

_LEGEND = (
    "Shares with their 95 % Wilson intervals. *Within reach*: without requesters that ask no contact whose ID does not "
    f"fit its IP ({OUT_OF_REACH}). Destinations are of the captured lookups: as attribution infers them, and "
    "*observed*, the nearest monitor that got a copy, as in the paper. *Told apart*: captured searches and publishes "
    "that are taken for what they are; simulated clients all keep to the counts by which they are told. "
    "*Sent*: packets a second."
)

_COLUMNS = (
    "bits",
    "live_nodes",
    "lookups",
    "capture",
    "capture_low",
    "capture_high",
    "capture_paper",
    "destination",
    "destination_low",
    "destination_high",
    "destination_paper",
    "capture_within_reach",
    "destination_observed",
    "copies_mean",
    "coverage",
    "crawl_completeness",
    "crawl_estimate",
    "crawl_s",
    "told_apart",
    "sent_per_s",
)


def reached(result: ZoneResult) -> bool:
    """Tell whether a zone's results are above the bars: all lookups captured, destinations as inferred."""
    comparison = result.comparison
    return comparison.capture.share >= BAR.capture and comparison.inferred.share >= BAR.destination


def shortfall(result: ZoneResult) -> str:
    """Return how far a zone's results are from the bars, in a line."""
    found = result.comparison
    return (
        f"captured {found.capture.share:.2%} (wanted {BAR.capture:.0%}; of lookups within reach "
        f"{within_reach(result).share:.2%}), destination right "
        f"{found.inferred.share:.2%} (wanted {BAR.destination:.0%})"
    )


def within_reach(result: ZoneResult) -> Proportion:
    """Return the share captured of the lookups whose requesters ask monitors at all."""
    capture = result.comparison.capture
    for group in result.comparison.groups:
        if (group.by, group.name) == ("requester's client", OUT_OF_REACH):
            return wilson(capture.hits - group.capture.hits, capture.trials - group.capture.trials)
    return capture


def about(results: Sequence[ZoneResult]) -> str:
    """Return a paragraph on what was simulated and with what settings, as Markdown."""
    first = results[0]
    network, told = first.network, first.instrument
    crawl, monitors, limits, places = told["crawl"], told["monitors"], told["limits"], told["addresses"]["monitors"]
    spread = "addresses in as many /24s" if first.overlay == "mainline" else "/24s, an address for each monitor"
    clients = ", ".join(f"{name} {share:.0%}" for name, share in network["clients"].items())
    return (
        f"A {first.overlay.capitalize()} network of {network['nodes']:,} live nodes, half of their sessions under "
        f"{network['session_median_s'] / 60:.0f} minutes, {network['unreachable']:.0%} behind a NAT, "
        f"{network['loss']:.0%} loss, {1000 * network['delay_s']:.0f} ms one way; clients: {clients}. "
        f"{network['lookups']:,.0f} lookups in {network['duration_s'] / 3600:g} hours. The instrument, the real one in "
        f"virtual time: {len(places)} {spread}, a crawl every "
        f"{crawl['pause_s']:g} s at {crawl['max_pps']:g} packets/s at most, {monitors['attach_rate']:g} monitors "
        f"attached a second, kept alive every {monitors['keep_alive_s']:g} s, {limits['total']['per_s']:g} packets/s "
        f"in all and {limits['target']['per_s']:g} to one node. Seed {first.seed}."
    )


def table(results: Sequence[ZoneResult]) -> str:
    """Return the findings as Markdown tables: accuracy, hours, clients, causes of misses, and how it was done."""
    lines = [
        "| Zone | Nodes | Lookups | Captured | Within reach | Paper | Destination | Observed | Paper | Told apart "
        "| Copies | Sent |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        found, paper = result.comparison, PAPER.get(result.bits)
        lines.append(
            f"| {result.bits} bits | {result.live} | {found.capture.trials} | {_share(found.capture)} "
            f"| {_share(within_reach(result))} | {f'{paper.capture:.0%}' if paper else ''} "
            f"| {_share(found.inferred)} | {_share(found.destination)} "
            f"| {f'{paper.destination:.0%}' if paper else ''} | {_share(found.told_apart)} | {found.copies.mean:.1f} "
            f"| {result.packets.per_s:.0f} |"
        )
    lines += [
        "",
        _LEGEND,
        "",
        "| Zone | Crawl | Completeness | Estimated | Node time covered |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        found = result.comparison
        lines.append(
            f"| {result.bits} bits | {result.crawl_s:.0f} s | {found.completeness.median:.2%} "
            f"| {found.completeness.estimate_median:.2%} | {found.coverage:.1%} |"
        )
    lines += ["", "| Zone | Hour | Captured | Destination | Observed |", "|---|---|---|---|---|"]
    for result in results:
        before = f"before all were attached ({result.judged_from_s / 60:.0f} min)"
        parts: list[tuple[str, Comparison | Group]] = [(before, result.early)]
        parts += [(hour.name, hour) for hour in result.hours]
        lines += [
            f"| {result.bits} bits | {name} | {_share(part.capture)} | {_share(part.inferred)} "
            f"| {_share(part.destination)} |"
            for name, part in parts
        ]
    lines += ["", "| Zone | Client | as requester: captured | destination | as target |", "|---|---|---|---|---|"]
    for result in results:
        lines += _clients(result)
    lines += ["", "| Zone | Missed | Cause | Lookups | Share of all |", "|---|---|---|---|---|"]
    for result in results:
        lines += [
            f"| {result.bits} bits | {cause.what} | {cause.cause.replace('_', ' ')} | {cause.count} "
            f"| {cause.of_all:.2%} |"
            for cause in result.comparison.causes
        ]
    return "\n".join(lines) + "\n"


def rows(results: Sequence[ZoneResult]) -> str:
    """Return one CSV row for each zone."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for result in results:
        found, paper = result.comparison, PAPER.get(result.bits)
        capture, destination = found.capture, found.inferred
        writer.writerow(
            [
                result.bits,
                result.live,
                capture.trials,
                *(f"{value:.5f}" for value in (capture.share, capture.low, capture.high)),
                paper.capture if paper else "",
                *(f"{value:.5f}" for value in (destination.share, destination.low, destination.high)),
                paper.destination if paper else "",
                *(
                    f"{value:.5f}"
                    for value in (
                        within_reach(result).share,
                        found.destination.share,
                        found.copies.mean,
                        found.coverage,
                        found.completeness.median,
                        found.completeness.estimate_median,
                        result.crawl_s,
                        found.told_apart.share,
                        result.packets.per_s,
                    )
                ),
            ]
        )
    return text.getvalue()


def figure(results: Sequence[ZoneResult]) -> str:
    """Return capture and destinations against zone bits, with Wilson bars and the paper's points, as SVG."""
    with axes(NAMES[results[0].overlay], height=1.1) as (drawn, ax):
        ordered = sorted(results, key=lambda result: result.bits)
        bits = [result.bits for result in ordered]
        for place, (name, label) in enumerate((("capture", "captured"), ("inferred", "destination right"))):
            colour, shift = SERIES[place], -0.06 + 0.12 * place
            shares: list[Proportion] = [getattr(result.comparison, name) for result in ordered]
            ax.errorbar(
                [bit + shift for bit in bits],
                [100 * share.share for share in shares],
                yerr=[
                    [100 * (share.share - share.low) for share in shares],
                    [100 * (share.high - share.share) for share in shares],
                ],
                color=colour,
                marker="o",
                markersize=4,
                capsize=3,
                label=f"{label}, montra simulated",
            )
            paper = [(bit, PAPER[bit][place]) for bit in bits if bit in PAPER]
            ax.plot(
                [bit + shift for bit, _ in paper],
                [100 * share for _, share in paper],
                color=colour,
                linestyle=":",
                marker="s",
                markersize=4,
                markerfacecolor="none",
                label=f"{label}, paper",
            )
        ax.set_xlabel("zone size [bits]", color=INK)
        ax.set_ylabel("lookups [%]", color=INK)
        ax.set_xticks(bits)
        ax.set_xlim(min(bits) - 0.4, max(bits) + 0.4)
        ax.set_ylim(70, 101)
        ax.tick_params(colors=MUTED)
        ax.legend(loc="lower right")
        return svg(drawn)


def document(results: Sequence[ZoneResult], made: Mapping[str, Any]) -> bytes:
    """Return everything as one JSON object; `made` says how: command, seed, versions."""
    content = {
        **made,
        "bar": BAR._asdict(),
        "paper": {str(bits): shares._asdict() for bits, shares in PAPER.items()},
        "zones": [msgspec.to_builtins(result) for result in results],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def write(folder: Path, results: Sequence[ZoneResult], made: Mapping[str, Any]) -> list[Path]:
    """Write table, rows, document and figure into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    heading = (
        f"# Capture and destinations by zone size, simulated\n\nMade by `{made['command']}`.\n\n{made['about']}\n\n"
    )
    contents = {
        "md": (heading + table(results)).encode(),
        "csv": rows(results).encode(),
        "json": document(results, made),
        "svg": figure(results).encode(),
    }
    paths = []
    for suffix, content in contents.items():
        path = folder / f"{NAMES[results[0].overlay]}.{suffix}"
        path.write_bytes(content)
        paths.append(path)
    return paths


def _share(share: Proportion) -> str:
    return f"{share.share:.2%} ({share.low:.2%}-{share.high:.2%})" if share.trials else "none"


def _clients(result: ZoneResult) -> list[str]:
    by = {(group.by, group.name): group for group in result.comparison.groups}
    lines = []
    for name in sorted({name for what, name in by if what.endswith("client")}):
        asked, aimed = by.get(("requester's client", name)), by.get(("target's client", name))
        lines.append(
            f"| {result.bits} bits | {name} | {_share(asked.capture) if asked else ''} "
            f"| {_share(asked.inferred) if asked else ''} | {_share(aimed.inferred) if aimed else ''} |"
        )
    return lines
