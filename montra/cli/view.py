"""How a running window looks on a terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from montra.window.status import Status
from montra.window.units import format_duration


def status_table(title: str, status: Status) -> Table:
    """Return the live view of one moment."""
    table = Table(title=escape(title), title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", width=14)
    table.add_column()
    left = format_duration(status.remaining_s) if status.remaining_s else "none"
    complete = f"{status.completeness:.1%}" if status.completeness else "not yet known"
    table.add_row("time", f"{format_duration(status.elapsed_s)} gone, {left} left")
    table.add_row("crawls", f"{status.crawls}, the last in {status.crawl_seconds:.1f} s")
    table.add_row("zone", f"{status.nodes} nodes answered, completeness {complete}")
    table.add_row("monitors", f"{status.targets} attached, {status.accepted} accepted, {status.visible} visible")
    if status.bare:
        table.add_row("thin fleet", f"{status.bare} targets have no monitor by choice")
    if status.waiting:
        table.add_row("waiting", f"[yellow]{status.waiting}[/] targets have no monitor yet")
    table.add_row("captures", f"{status.captures}, {status.captures_per_s:.1f} a second")
    table.add_row("datagrams", f"{status.received} received, {status.sent} sent")
    table.add_row("lost", str(status.lost) if not status.lost else f"[yellow]{status.lost}[/] (see the ledger)")
    if status.problem:
        table.add_row("problem", f"[red]{escape(status.problem)}[/]")
    return table
