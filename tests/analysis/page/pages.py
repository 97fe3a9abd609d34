"""Sections of a page without a run behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from analysis.attachments import Attachments
from analysis.given import Given
from analysis.load import Run
from analysis.page.drawing import Drawing, drawing
from analysis.page.sections import Chapter, Section, chapter_of, origin_of
from analysis.page.style import SERIES, axes, panels
from analysis.quantity import Quantity, made_by
from analysis.table import Column, Table
from analysis.trust.chapter import Trust
from analysis.trust.validation import Validation
from zone_store.run.folder import Manifest

from ..samples import GIVEN, START_NS

MAKER = made_by(math.fsum)


@dataclass
class Results:
    """A chapter's results as handed in."""

    numbers: list[Quantity] = field(default_factory=list)
    rows: list[Table] = field(default_factory=list)

    def quantities(self) -> list[Quantity]:
        return self.numbers

    def tables(self) -> list[Table]:
        return self.rows


def number(
    name: str, value: float, unit: str = "", low: float = math.nan, high: float = math.nan, **more: Any
) -> Quantity:
    return Quantity(name, value, unit, f"what {name} means", MAKER, ("lookups",), low, high, "counted", **more)


def table(name: str = "top_keys", rows: int = 30) -> Table:
    return Table(
        name,
        "Keys with most lookups",
        "A row for each key.",
        MAKER,
        ("lookups",),
        (
            Column("key", [f"a4{i:02x}" + "00" * 18 for i in range(rows)], "", "the key in hexadecimal"),
            Column("lookups", np.arange(rows, 0, -1) * 1234, "", "of users"),
            Column("rate", np.arange(rows, 0, -1) / 7, "a minute", "as captured"),
            Column("rate_low", np.arange(rows, 0, -1) / 8, "a minute", "lower 95 % bound"),
            Column("rate_high", np.arange(rows, 0, -1) / 6, "a minute", "upper 95 % bound"),
            Column("requesters", np.arange(rows, 0, -1) + 3, "", "distinct"),
        ),
        people="requesters",
    )


def figure(name: str = "rates", *, wide: bool = False) -> Drawing:
    with panels(name, 1, 2, width=2.05) if wide else axes(name) as (drawn, ax):
        for one in [ax] if not wide else ax[0]:
            for i, colour in enumerate(SERIES):
                one.plot([0, 1, 2], [i, i + 1, i + 0.5], color=colour, label=f"series {i}")
            one.set(xlabel="hours since the start", ylabel="lookups a minute")
        data = Table(
            name,
            "Rates",
            "A row for each point.",
            MAKER,
            ("lookups",),
            (Column("time", np.arange(3), "h", "since the start"), Column("rate", np.ones(3) / 3, "a minute", "seen")),
        )
        return drawing(name, f"How {name} go", "Lookups over time, as captured, of 3 series.", drawn, data)


def analysis(zone: str = "a4/6", overlay: str = "mainline", given: Given = GIVEN) -> Any:
    manifest = Manifest(
        montra_version="0.1.0",
        overlay=overlay,
        zone=zone,
        start_ns=START_NS,
        sealed=True,
        exit="done",
        versions={"python": "3.11.2"},
        git="v0-<i>",
    )
    run = Run(
        name=f"20261121T150000Z_{overlay}_{zone.replace('/', '-')}",
        manifest=manifest,
        start_ns=START_NS,
        end_ns=START_NS + 600_000_000_000,
        gaps=((START_NS, START_NS + 60_000_000_000),),
        captures=11,
        attachments=Attachments.none(20),
        crawls=(),
        losses=(),
        digest="ab" * 32,
    )
    made = SimpleNamespace(rule=3, span_ns=60_000_000_000, refresh_bits=96)
    return SimpleNamespace(run=run, given=given, lookups_made=made, trust=Trust(None, None, Validation(), []))


def section(key: str = "run1", chapters: tuple[Chapter, ...] | None = None, of: Any = None) -> Section:
    """Return a section about one run; chapters: of it, those of a plain traffic chapter if None."""
    one = of or analysis()
    return Section(
        key,
        f"Zone {one.run.manifest.zone} of Mainline",
        origin_of(key, [one], "analysis"),
        "analysis",
        (losses(key),) if chapters is None else chapters,
        (one,),
    )


def losses(key: str = "run1", numbers: list[Quantity] | None = None, drawings: list[Drawing] | None = None) -> Chapter:
    """Return a chapter of the template `losses`, which needs least."""
    results = SimpleNamespace(losses=[], quantities=lambda: numbers or [], tables=list)
    return chapter_of("losses", key, results, drawings or [], 5)
