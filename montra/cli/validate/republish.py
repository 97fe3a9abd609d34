"""`montra validate republish`: publishers estimated from publish rates, beside those of a network of real amuled."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from montra.cli.common import RefusedError, clear_errors, emit, json_option, steps, tell
from montra.cli.kad_window import watch_kad
from montra.cli.lab_errors import lab_errors, orderly_end, usage_errors
from montra.cli.made import line, made, save
from montra.cli.options import NumbersType, results_options
from montra.lab.kad.programs import missing, releases
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.overlays.base import load
from montra.validation.comparison import Comparison
from montra.validation.tables import aligned
from montra.window.analyze import attribute_run, report_runs

RESULT = "republish.json"
#: Of the daemons' clock: what passes between a file being handed to a node and its first publish, and to spare.
_SLACK_S = 300.0
#: A contact that was not heard for an hour of the daemons' clock is asked (aMule `Contact.cpp`).
_KEEP_ALIVE_S = 3000.0


@click.command(epilog="Example: montra validate republish --rate 60 --intervals 2.2")
@click.option("--nodes", default=32, show_default=True, help="Real amuled, all in the zone and monitored.")
@click.option(
    "--publishers",
    default="20,22,24,26,28",
    show_default=True,
    type=NumbersType(),
    help="Files, by the number of nodes that share each.",
)
@click.option(
    "--rate",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1, 1000),
    help="How much faster the daemons' clocks run.",
)
@click.option(
    "--intervals",
    default=2.2,
    show_default=True,
    type=click.FloatRange(0.1, 20),
    help="Time judged, in republish intervals of a file.",
)
@click.option(
    "--spread",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 5),
    help="Time before that over which nodes begin to share, in the same.",
)
@click.option("--searches", default=200, show_default=True, help="Keyword searches meanwhile, to be kept apart.")
@results_options("republish", "all choices but the daemons' own")
@json_option
@clear_errors
def command(
    *,
    nodes: int,
    publishers: tuple[int, ...],
    rate: float,
    intervals: float,
    spread: float,
    searches: int,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Estimate from publish rates how many nodes publish each file, and compare with how many do.

    Real amuled in a network namespace share files; their clocks run fast, so that the five hours after which they
    publish a file again pass in minutes. The truth is their own packets, decrypted. Judged is the time from when each
    has published once; windows of other lengths, whole multiples of the interval or not, are cut out of it. Needs
    root, amuled, amulecmd and libfaketime; sends nothing out of the machine.
    """
    folder = out / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    republish = {name: seconds / rate for name, seconds in load("kad").reading.republish_s.items()}
    interval_s = republish["file"]
    with usage_errors():
        settings = KadLabSettings(
            out=(folder / "lab").resolve(),
            nodes=nodes,
            rate=rate,
            publishers=publishers,
            words=max(8, len(publishers)),
            seed=seed,
        )
        workload = KadWorkload(
            duration_s=(spread + intervals) * interval_s + _SLACK_S / rate,
            share_within_s=spread * interval_s,
            searches=searches,
        )
    lacks = missing(settings)
    if lacks:
        raise RefusedError(lacks)
    begin = time.monotonic()
    step = steps()
    with lab_errors("lab,analysis"), orderly_end():
        from montra.validation.compare import comparison_of
        from montra.validation.judge import judge
        from montra.validation.kad_purpose import judge_by_purpose
        from montra.validation.kad_truth import load_kad_truth
        from montra.validation.republish import judge_republish
        from montra.validation.tables import VALIDATION, built, document

        clients = releases()
        played = watch_kad(settings, workload, folder, {"monitors.keep_alive_s": _KEEP_ALIVE_S / rate}, step)
        attribute_run(played.run)
        truth = load_kad_truth(played.lab)
        judge_by_purpose(truth)
        judged = judge(played.run, truth.truth, since_ns=played.went_ns)
        comparison = comparison_of(played.run.name, truth.truth.name, truth.truth, judged)
        found = judge_republish(played.run, truth, judged, interval_s)
        (played.run / VALIDATION).write_bytes(document(comparison))
        report_runs([played.run], folder / "report.html", republish=republish)
    value = save(
        folder / RESULT,
        {
            **made(seed, clients),
            "settings": {**msgspec.structs.asdict(settings), "out": "lab"},
            "workload": msgspec.structs.asdict(workload),
            "republish": {**asdict(found), "worst": found.worst, "flaw": found.flaw},
            "comparison": built(comparison),
            "visible": played.visible,
            "unreadable": truth.unreadable,
            "seconds": round(time.monotonic() - begin, 1),
        },
    )
    emit(as_json, value, lambda: _show(value, comparison, folder))
    if found.flaw or comparison.flaw:
        raise click.ClickException(found.flaw or comparison.flaw)


def _show(value: dict[str, Any], comparison: Comparison, folder: Path) -> None:
    """Print the tables of a result as it was saved."""
    found = value["republish"]
    files: list[tuple[str, ...]] = [
        ("File", "Shared by", "Publishers", "Publishes", "captured", "Estimated", "95 %", "Error", "Rate x interval")
    ]
    for one in found["files"]:
        numbers = (one["shared"], one["publishers"], one["publishes"], one["captured"])
        files.append(
            (
                one["file"][:12],
                *map(str, numbers),
                f"{one['estimate']:.1f}",
                _said(one["low"]) + " to " + _said(one["high"]),
                f"{one['error']:+.1%}",
                f"{one['raw']:.1f}",
            )
        )
    windows: list[tuple[str, ...]] = [
        ("Window", "Windows", "Estimates", "Mean error", "Spread", "Largest error", "Truth in the interval")
    ]
    for window in found["windows"]:
        held = window["held"]
        windows.append(
            (
                f"{window['intervals']:.2f} intervals",
                str(window["windows"]),
                str(window["estimates"]),
                *(
                    "none" if window[name] is None else format(window[name], shape)
                    for name, shape in (("bias", "+.1%"), ("spread", ".1%"), ("worst", ".1%"))
                ),
                f"{held['hits']} of {held['trials']}",
            )
        )
    for grid in (files, windows):
        click.echo("\n".join(aligned(grid)) + "\n")
    capture = found["capture"]
    tell(
        f"{found['intervals']:.2f} intervals of {found['interval_s']:.0f} s; nodes publish again after "
        f"{_said(found['gap_s'], 0)} s of their clock; captured of lookups for other keys {capture['share']:.1%} of "
        f"{capture['trials']}, of publishes {comparison.capture_announces}; told apart {comparison.told_apart}"
    )
    tell(f"{line(value)}. Wrote {folder / RESULT} in {value['seconds']:.0f} s")


def _said(number: float | None, digits: int = 1) -> str:
    """Return a number of the result's file, which has none for NaN."""
    return "unknown" if number is None else f"{number:.{digits}f}"
