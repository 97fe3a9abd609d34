"""Thin fleets measured: captures, right destinations and disturbance against the share of targets monitored."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path

import msgspec

from montra.datagrams import ip_number
from montra.lab.events import ANNOUNCE_PEER, LOG_NAME, Began, Sent, read_events
from montra.validation.comparison import Comparison
from montra.validation.truth import Truth, TruthLookup, load_truth
from montra.validation.wilson import Proportion, wilson
from zone_store.captures import Attachment

#: libtorrent announces to so many nodes: those that it found nearest to the key.
NEAREST = 8
#: The network without monitors, in the place of a reply mode.
NONE = "none"
#: A simulated network, in the same place.
SIMULATED = "simulated"


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """What the announces of a lab came to.

    announces: commands to announce; delays_s: of those that announced, from the first query to the first announce_peer;
    real: nodes that received the announce, of those; nearest: how many of them are among the NEAREST live nodes;
    at_monitors: announces that went to a monitor; libtorrent: its version.
    """

    announces: int = 0
    delays_s: list[float] = []
    real: list[int] = []
    nearest: list[int] = []
    at_monitors: int = 0
    libtorrent: str = ""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One lab: a fleet of one density and reply mode (NONE: no fleet; SIMULATED: no lab), under one seed.

    every: as in the fleet's settings; monitored, targets: targets that had a monitor, and all known, when the window
    ended; judged, captured: lookups; observed, inferred: of the captured, those whose destination is right; copies: by
    number of distinct monitors that got one, of the captured.
    """

    mode: str
    every: int
    seed: int
    disturbance: Disturbance = Disturbance()
    monitored: int = 0
    targets: int = 0
    judged: int = 0
    captured: int = 0
    observed: int = 0
    inferred: int = 0
    copies: dict[int, int] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """The labs of one density and mode together.

    share: of the known targets, those that have a monitor (NaN without a fleet); copies: mean for each captured lookup;
    delay_s, delay_p90_s: median and 90 % quantile of the announces' delays; announced: announces that were made, of the
    commands; real: mean number of nodes that received one; nearest: of the NEAREST live nodes, those that did;
    at_monitors: announces that went to monitors.
    """

    mode: str
    every: int
    seeds: int
    share: float
    capture: Proportion
    observed: Proportion
    inferred: Proportion
    copies: float
    delay_s: float
    delay_p90_s: float
    announced: Proportion
    real: float
    nearest: float
    at_monitors: int


def disturbance(folder: Path) -> Disturbance:
    """Read from a lab's log how its announces went; raises TruthError.

    Times are those at which the lab read the sender's own packet log (every `poll_s`).
    """
    truth = load_truth(folder)
    places = {(node.ip, node.port): index for index, node in truth.nodes.items()}
    asked: dict[tuple[int, str], int] = {}
    told: dict[tuple[int, str], int] = {}
    at_monitors, libtorrent = 0, ""
    for event in read_events(folder / LOG_NAME):
        if isinstance(event, Began):
            libtorrent = event.libtorrent
        if isinstance(event, Sent):
            is_announce = event.method == ANNOUNCE_PEER
            (told if is_announce else asked).setdefault((event.index, event.key), event.t_ns)
            at_monitors += is_announce and (ip_number(event.ip), event.port) not in places
    announces = [lookup for lookup in truth.lookups if lookup.announce]
    # a pair of requester and key is commanded once in a lab's time
    pairs = [((lookup.requester.index, lookup.key.hex()), lookup) for lookup in announces]
    made = [(pair, lookup) for pair, lookup in pairs if pair in told and pair in asked]
    return Disturbance(
        announces=len(announces),
        delays_s=[round((told[pair] - asked[pair]) / 1e9, 3) for pair, _ in made],
        real=[len(lookup.stored) for _, lookup in made],
        nearest=[len(lookup.stored & _nearest(truth, lookup)) for _, lookup in made],
        at_monitors=at_monitors,
        libtorrent=libtorrent,
    )


def _nearest(truth: Truth, lookup: TruthLookup) -> set[int]:
    """Return the live nodes nearest to a lookup's key, but for the requester, who does not announce to itself."""
    live = [node for node in truth.nodes.values() if node.lives(lookup.t_ns) and node is not lookup.requester]
    return {node.index for node in sorted(live, key=lambda node: node.number ^ lookup.key_number)[:NEAREST]}


def point(
    mode: str, every: int, seed: int, comparison: Comparison, attachments: Collection[Attachment], lab: Disturbance
) -> Point:
    """Return what a lab and the window on it came to. attachments: those of the window, sealed."""
    last = [one for one in attachments if one.reason == "sealed"]
    return Point(
        mode=mode,
        every=every,
        seed=seed,
        disturbance=lab,
        monitored=sum(one.monitor_port > 0 for one in last),
        targets=len(last),
        judged=comparison.capture.trials,
        captured=comparison.capture.hits,
        observed=comparison.destination.hits,
        inferred=comparison.inferred.hits,
        copies=comparison.copies.counts,
    )


def curve(points: Sequence[Point]) -> list[Row]:
    """Return the points of each mode and density together, NONE first, then by mode and rising `every`."""
    together: dict[tuple[bool, str, int], list[Point]] = {}
    for one in points:
        together.setdefault((one.mode != NONE, one.mode, one.every), []).append(one)
    return [_row(together[key]) for key in sorted(together)]


def _row(points: list[Point]) -> Row:
    captured = sum(one.captured for one in points)
    targets = sum(one.targets for one in points)
    labs = [one.disturbance for one in points]
    delays = sorted(chain.from_iterable(lab.delays_s for lab in labs))
    real = list(chain.from_iterable(lab.real for lab in labs))
    nearest = list(chain.from_iterable(lab.nearest for lab in labs))
    copies = sum(number * count for one in points for number, count in one.copies.items())
    return Row(
        mode=points[0].mode,
        every=points[0].every,
        seeds=len(points),
        share=sum(one.monitored for one in points) / targets if targets else math.nan,
        capture=wilson(captured, sum(one.judged for one in points)),
        observed=wilson(sum(one.observed for one in points), captured),
        inferred=wilson(sum(one.inferred for one in points), captured),
        copies=copies / captured if captured else math.nan,
        delay_s=statistics.median(delays) if delays else math.nan,
        delay_p90_s=delays[math.ceil(0.9 * len(delays)) - 1] if delays else math.nan,
        announced=wilson(len(delays), sum(lab.announces for lab in labs)),
        real=statistics.fmean(real) if real else math.nan,
        nearest=statistics.fmean(nearest) / NEAREST if nearest else math.nan,
        at_monitors=sum(lab.at_monitors for lab in labs),
    )


def table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the curve as text: a header, then a row for each density and mode."""
    header = (
        *("Replies", "Every", "Monitored", "Captured", "Observed right", "Inferred right", "Copies"),
        *("Announce after", "90 % within", "To real nodes", "Of the 8 nearest", "To monitors"),
    )
    return [header, *map(_text, rows)]


def _text(row: Row) -> tuple[str, ...]:
    fleet = row.mode != NONE
    return (
        "no monitors" if not fleet else row.mode,
        str(row.every) if fleet else "",
        f"{row.share:.0%}" if fleet else "",
        *(_share(share) if fleet else "" for share in (row.capture, row.observed, row.inferred)),
        f"{row.copies:.2f}" if fleet else "",
        *(
            (f"{row.delay_s:.2f} s", f"{row.delay_p90_s:.2f} s", f"{row.real:.2f}", f"{row.nearest:.1%}")
            if row.announced.hits
            else ("", "", "", "")
        ),
        str(row.at_monitors) if row.announced.trials else "",
    )


def _share(share: Proportion) -> str:
    return f"{share.share:.1%} of {share.trials} ({share.low:.1%} to {share.high:.1%})"


def as_csv(rows: Sequence[Row]) -> str:
    """Return the curve as CSV; a proportion has four columns: hits, trials, low and high end of its interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Row)]
    parts = ("hits", "trials", "low", "high")
    shares = {name for name in names if isinstance(getattr(rows[0], name), Proportion)} if rows else set()
    writer.writerow(
        chain.from_iterable([f"{name}_{part}" for part in parts] if name in shares else [name] for name in names)
    )
    for row in rows:
        values = (getattr(row, name) for name in names)
        writer.writerow(
            chain.from_iterable(
                [value.hits, value.trials, f"{value.low:.4f}", f"{value.high:.4f}"]
                if isinstance(value, Proportion)
                else [round(value, 4) if isinstance(value, float) else value]
                for value in values
            )
        )
    return text.getvalue()
