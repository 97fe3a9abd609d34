"""`montra validate disruption`: what monitors do to real clients, by reply policy."""

from __future__ import annotations

import math
import os
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from montra.cli.common import RefusedError, clear_errors, emit, json_option, steps, tell
from montra.cli.lab_errors import lab_errors, orderly_end
from montra.cli.made import line, made, save
from montra.cli.options import refuse_old, results_options
from montra.validation.tables import aligned
from montra.window import shipped

if TYPE_CHECKING:
    from montra.validation.disruption.scene import Outcome
    from montra.validation.disruption.summary import Row

CLIENTS = "libtorrent,transmission,aria2,rtorrent,webtorrent"
POLICIES = "paper,far-id,own-id,error,discard,once,behind,least"
NAME = "disruption"

#: Seconds from crawl to crawl: long beside a search, short enough for several in a run.
CRAWL_PAUSE_S = 40.0
#: Right end of the figure; what never happened stands there.
LONGEST_S = 1000.0


@click.command(epilog="Example: montra validate disruption --clients libtorrent --policies paper,least")
@click.option("--clients", default=CLIENTS, show_default=True, help="Clients under test.")
@click.option("--policies", default=POLICIES, show_default=True, help="Modes of [replies], beside no monitors.")
@click.option("--trials", default=8, show_default=True, type=click.IntRange(1), help="Searches of each client.")
@click.option("--nodes", default=64, show_default=True, type=click.IntRange(16, 1000), help="libtorrent nodes.")
@click.option(
    "--every",
    default=1,
    show_default=True,
    type=click.IntRange(1, 8),
    help="A monitor for one of each group of so many neighbours.",
)
@click.option(
    "--gap",
    default=4.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    help="Seconds between the searches of a client.",
)
@click.option(
    "--patience",
    default=90.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="Seconds that the last search may take to announce.",
)
@results_options(NAME, "the network and the keys", new=True)
@json_option
@clear_errors
def command(
    *,
    clients: str,
    policies: str,
    trials: int,
    nodes: int,
    every: int,
    gap: float,
    patience: float,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Measure what monitors do to each real client, by reply policy, beside a network without monitors.

    Each policy gets a fresh network in a namespace of its own: libtorrent nodes, the clients, a window with a
    monitor beside each of them. All is read off the packets. Needs root and the programs; nothing leaves the
    machine. The default run takes about half an hour.
    """
    begin = time.monotonic()
    step = steps()
    with lab_errors("lab,analysis"), orderly_end():
        from montra.validation.disruption.report import as_csv
        from montra.validation.disruption.scene import KINDS, Setting, play, wanted_of
        from montra.validation.disruption.summary import NONE, rows

        names = _chosen(clients, list(KINDS), "client")
        chosen = _chosen(policies, POLICIES.split(","), "policy")
        lacks = [lack for name in names if (lack := KINDS[name].missing())]
        lacks += [] if os.geteuid() == 0 else ["root is needed, to make a network namespace"]
        if lacks:
            raise RefusedError(lacks)
        refuse_old(out)
        clients_used = {name: KINDS[name].release() for name in dict.fromkeys(["libtorrent", *names])}
        setting = Setting(names, nodes, trials, seed, gap, patience, out.resolve(), _config(every, seed))
        outcomes: dict[str, Outcome] = {}
        for policy in (NONE, *chosen):
            outcomes[policy] = play(setting, policy, step)
        found = {(name, policy): outcomes[policy].searches[name] for name in names for policy in outcomes}
        table = rows(found, {name: wanted_of(name) for name in names})
        (out / f"{NAME}.csv").write_text(as_csv(table))
        (out / f"{NAME}.svg").write_text(_plot(table))
    dropped = sum(one.dropped for one in outcomes.values())
    value = save(
        out / f"{NAME}.json",
        {
            **made(seed, clients_used),
            "nodes": nodes,
            "every": every,
            "trials": trials,
            "dropped_by_witness": dropped,
            "monitors": {policy: one.visible for policy, one in outcomes.items()},
            "rows": table,
            "strays": {policy: one.strays for policy, one in outcomes.items() if policy != NONE},
            "seconds": round(time.monotonic() - begin, 1),
        },
    )
    emit(as_json, value, lambda: _show(value, table, outcomes, out))
    if dropped:
        raise click.ClickException("the witness missed packets: the figures are not those of all that was sent")


def _chosen(text: str, known: Sequence[str], what: str) -> list[str]:
    """Return the names in a list with commas, each once; raises click.UsageError for unknown ones."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in known:
            raise click.UsageError(f"{what} {name!r} is none of {', '.join(known)}")
    return names


def _config(every: int, seed: int) -> dict[str, Any]:
    """Return the window's configuration, without bootstrap, zone and replies.

    Crawls begin much rarer than a lab's: clients that ignore BEP 43 list whoever asks them, the crawler too, and wait
    for it once after each crawl. Windows on the Internet crawl every five minutes.
    """
    from montra.validation.disruption.scene import CRAWLER, MONITORS

    config = tomllib.loads(shipped.text("lab"))
    config |= {"seed": seed, "duration": "1h"}
    config["addresses"] |= {"crawler": CRAWLER, "monitors": [MONITORS]}
    config["monitors"]["every"] = every
    config["crawl"]["pause_s"] = CRAWL_PAUSE_S
    config.pop("canaries", None)
    return config


def _show(value: dict[str, Any], table: Sequence[Row], outcomes: dict[str, Outcome], out: Path) -> None:
    from montra.validation.disruption import report
    from montra.validation.disruption.summary import NONE

    monitored = {policy: one.strays for policy, one in outcomes.items() if policy != NONE}
    for shown in (report.delays(table), report.efforts(table), report.stray_table(monitored)):
        click.echo("\n".join(aligned(shown)) + "\n")
    for note in report.NOTES:
        tell(note)
    tell(f"{line(value)}. Wrote {out / NAME}.json, .csv and .svg in {value['seconds']:.0f} s")


def _plot(table: Sequence[Row]) -> str:
    """Draw the median first announce of each client under each policy, with its range, on a log scale."""
    from analysis.page.style import MUTED, SERIES, axes, plain_ticks, svg
    from montra.validation.disruption.summary import NONE, RESOLUTION_S

    rows = [row for row in table if row.trials]
    clients = list(dict.fromkeys(row.client for row in rows))
    with axes(NAME, height=0.08 * (len(rows) + 2 * len(clients)) + 0.2, width=1.5) as (figure, ax):
        labels: dict[int, str] = {}
        place = 0
        for client in clients:
            ax.text(RESOLUTION_S, place, client, fontweight="bold", verticalalignment="center")
            for row in (row for row in rows if row.client == client):
                place += 1
                labels[place] = "no monitors" if row.policy == NONE else row.policy
                first = row.first_announce_s
                median, least, most = (
                    min(max(value, RESOLUTION_S), LONGEST_S) for value in (first.median, first.least, first.most)
                )
                colour = MUTED if row.policy == NONE else SERIES[1 if row.displaced else 0]
                ax.plot([least, most], [place, place], color=colour)
                ax.plot([median], [place], color=colour, marker="o", markersize=5, linestyle="")
                if math.isinf(first.median):
                    ax.text(LONGEST_S * 0.8, place, "never", ha="right", va="center")
            place += 2
        ax.set_yticks(list(labels), list(labels.values()))
        ax.set_ylim(place - 1, -1)
        ax.grid(visible=False, axis="y")
        ax.set_xscale("log")
        plain_ticks(ax, "x")
        ax.set_xlabel("first query to first announce, s: median and range (orange: real nodes displaced)")
        return svg(figure)
