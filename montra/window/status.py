"""What a running window looks like from outside: one row of numbers, kept in the run folder as it goes.

status.csv has one row for every ten seconds (and the last one at sealing); `montra status` reads its last row from
another terminal, so a run can be watched without touching it.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from montra.window.units import format_duration
from montra.window.window import Window
from zone_store.losses import is_data_loss


@dataclass(frozen=True, slots=True)
class Status:
    """One moment of a window.

    elapsed_s, remaining_s: seconds; crawls: ended ones; nodes: of the zone, in the last crawl; completeness: of the
    last crawl, by capture-recapture (0 = not yet known); targets: monitors attached; accepted: of them, known to their
    target; visible: of them, seen handed out; waiting: targets that have no monitor yet; bare: targets left without by
    a thin fleet; captures: copies kept so far; captures_per_s: since the file's row before; received, sent: datagrams;
    lost: copies that should have been captured, by the ledger; problem: what stands in the way, "" if nothing.
    """

    time_ns: int
    elapsed_s: float
    remaining_s: float
    crawls: int
    crawl_seconds: float
    nodes: int
    completeness: float
    targets: int
    accepted: int
    visible: int
    waiting: int
    bare: int
    captures: int
    captures_per_s: float
    received: int
    sent: int
    lost: int
    problem: str

    def line(self) -> str:
        """Return the row as one line of text for a log."""
        left = format_duration(self.remaining_s) if self.remaining_s > 0 else "0s"
        complete = f"{self.completeness:.1%}" if self.completeness else "unknown"
        bare = f", {self.bare} without by choice" if self.bare else ""
        text = (
            f"{format_duration(self.elapsed_s)} gone, {left} left | crawl {self.crawls}: {self.nodes} nodes in "
            f"{self.crawl_seconds:.1f} s, completeness {complete} | monitors {self.visible} visible, "
            f"{self.accepted} accepted of {self.targets}, {self.waiting} waiting{bare} | "
            f"captures {self.captures} ({self.captures_per_s:.1f}/s) | lost {self.lost}"
        )
        return f"{text} | {self.problem}" if self.problem else text


COLUMNS = [f.name for f in dataclasses.fields(Status)]


class StatusFile:
    """Appends status rows to a CSV file; a row is whole or absent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("x", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(COLUMNS)

    def append(self, status: Status) -> None:
        """Write one row."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([getattr(status, name) for name in COLUMNS])


def last_status(path: Path) -> dict[str, Any] | None:
    """Return the last whole row of a status file by column, None if there is none; raises OSError."""
    with path.open(newline="", encoding="utf-8") as file:
        last = None
        for row in csv.DictReader(file):
            if None not in row.values() and None not in row:
                last = row
    if last is None:
        return None
    numbers: dict[str, Any] = {}
    for name, text in last.items():
        try:
            numbers[name] = text if name == "problem" else float(text) if "." in text else int(text)
        except ValueError:
            return None
    return numbers


class StatusMaker:
    """Makes status rows out of a window and the counts of its surroundings.

    traffic: returns the endpoint's and the store's counters by name; trouble: what else stands in the way, "" if
    nothing.
    """

    def __init__(
        self,
        window: Window,
        begin_ns: int,
        end_ns: int,
        traffic: Callable[[], dict[str, int]],
        trouble: Callable[[], str] = lambda: "",
    ) -> None:
        self._window = window
        self._begin_ns = begin_ns
        self._end_ns = end_ns
        self._traffic = traffic
        self._trouble = trouble
        self._last = (begin_ns, 0)

    def make(self, now_ns: int, mark: bool = True) -> Status:
        """Return the status of this moment; `mark` makes it the one that the next rate is counted from."""
        window = self._window
        totals = window.totals
        states = window.fleet.states()
        crawl = totals.last_crawl
        since_ns, captures = self._last
        rate = (totals.captures - captures) / ((now_ns - since_ns) / 1e9) if now_ns > since_ns else 0.0
        if mark:
            self._last = (now_ns, totals.captures)
        traffic = self._traffic()
        return Status(
            time_ns=now_ns,
            elapsed_s=round((now_ns - self._begin_ns) / 1e9, 1),
            remaining_s=round(max(0, self._end_ns - now_ns) / 1e9, 1),
            crawls=totals.crawls,
            crawl_seconds=round(crawl.seconds, 2) if crawl else 0.0,
            nodes=crawl.answered if crawl else 0,
            completeness=round(crawl.completeness, 4) if crawl else 0.0,
            targets=sum(states[name] for name in ("introduced", "accepted", "visible", "hidden")),
            accepted=sum(states[name] for name in ("accepted", "visible", "hidden")),
            visible=states["visible"],
            waiting=states["waiting"],
            bare=states.get("bare", 0),
            captures=totals.captures,
            captures_per_s=round(rate, 2),
            received=traffic.get("received", 0),
            sent=traffic.get("sent", 0),
            lost=sum(n for name, n in traffic.items() if is_data_loss(name)),
            problem=self._problem() or self._trouble(),
        )

    def _problem(self) -> str:
        crawl = self._window.totals.last_crawl
        if crawl is None:
            return ""
        if crawl.replies == 0:
            return "nobody answers: check bootstrap nodes, the crawler's address and firewalls"
        if crawl.answered == 0:
            return "nodes answer, but none lies in the zone"
        return ""
