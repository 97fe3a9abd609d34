"""`montra validate disruption`: what monitors do to real clients, by reply policy."""

from __future__ import annotations

import os
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.table import Table

from montra import __version__
from montra.cli.common import Exit, RefusedError, clear_errors, emit, json_option, require_extra, results, say, tell
from montra.lab.settings import LabError
from montra.window import shipped

if TYPE_CHECKING:
    from montra.validation.disruption.scene import Outcome
    from montra.validation.disruption.summary import Row

CLIENTS = "libtorrent,transmission,aria2,rtorrent,webtorrent"
POLICIES = "paper,far-id,own-id,error,discard,once,behind,least"
NAME = "disruption"


@click.command(epilog="Example: montra validate disruption --clients libtorrent --policies paper,least")
@click.option("--clients", default=CLIENTS, show_default=True, help="Clients under test.")
@click.option("--policies", default=POLICIES, show_default=True, help="Modes of [replies], beside no monitors.")
@click.option("--trials", default=8, show_default=True, type=click.IntRange(1), help="Searches of each client.")
@click.option("--nodes", default=64, show_default=True, type=click.IntRange(16, 1000), help="libtorrent nodes.")
@click.option("--every", default=1, show_default=True, type=click.IntRange(1, 8), help="A monitor for each n-th node.")
@click.option("--gap", default=4.0, show_default=True, help="Seconds between the searches of a client.")
@click.option("--patience", default=90.0, show_default=True, help="Seconds that the last search may take to announce.")
@click.option("--seed", default=1, show_default=True, help="Seed of the network and the keys.")
@click.option(
    "-o",
    "--out",
    default="montra-disruption",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="New folder for results.",
)
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

    def step(text: str) -> None:
        say(f"[dim]{time.monotonic() - begin:6.1f} s[/]  {text}")

    try:
        from montra.validation.disruption.report import as_csv
        from montra.validation.disruption.scene import KINDS, Setting, play, wanted_of
        from montra.validation.disruption.summary import NONE, rows

        names = _chosen(clients, list(KINDS), "client")
        chosen = _chosen(policies, POLICIES.split(","), "policy")
        lacks = [line for name in names if (line := KINDS[name].missing())]
        lacks += [] if os.geteuid() == 0 else ["root is needed, to make a network namespace"]
        if lacks:
            raise RefusedError(lacks)
        if out.exists():
            raise click.ClickException(f"{out} is there already; choose a new folder")
        versions = {name: KINDS[name].release() for name in ["libtorrent", *names]}
        setting = Setting(names, nodes, trials, seed, gap, patience, out.resolve(), _config(every, seed))
        outcomes: dict[str, Outcome] = {}
        for policy in (NONE, *chosen):
            outcomes[policy] = play(setting, policy, step)
        found = {(name, policy): outcomes[policy].searches[name] for name in names for policy in outcomes}
        table = rows(found, {name: wanted_of(name) for name in names})
        (out / f"{NAME}.csv").write_text(as_csv(table))
        (out / f"{NAME}.svg").write_text(_plot(table))
    except ImportError as error:
        raise require_extra(error, "lab,analysis") from error
    except LabError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        raise SystemExit(int(Exit.INTERRUPTED)) from None
    value = {
        "command": ["montra", *sys.argv[1:]],
        "seed": seed,
        "versions": {"montra": __version__, **versions},
        "nodes": nodes,
        "every": every,
        "trials": trials,
        "dropped_by_witness": sum(one.dropped for one in outcomes.values()),
        "monitors": {policy: one.visible for policy, one in outcomes.items()},
        "rows": [asdict(row) for row in table],
        "strays": {policy: asdict(one.strays) for policy, one in outcomes.items() if policy != NONE},
        "seconds": round(time.monotonic() - begin, 1),
    }
    (out / f"{NAME}.json").write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))
    emit(as_json, value, lambda: _show(value, table, outcomes, out))
    if value["dropped_by_witness"]:
        raise click.ClickException("the witness missed packets: the figures are not those of all that was sent")


def _chosen(text: str, known: Sequence[str], what: str) -> list[str]:
    """Return the names in a list with commas; raises click.UsageError for unknown ones."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise click.UsageError(f"{what} {name!r} is none of {', '.join(known)}")
    return names


def _config(every: int, seed: int) -> dict[str, Any]:
    """Return the window's configuration, without bootstrap, zone and replies."""
    from montra.validation.disruption.scene import CRAWLER, MONITORS

    config = tomllib.loads(shipped.text("lab"))
    config |= {"seed": seed, "duration": "1h"}
    config["addresses"] |= {"crawler": CRAWLER, "monitors": [MONITORS]}
    config["monitors"]["every"] = every
    config.pop("canaries", None)
    return config


def _show(value: dict[str, Any], table: Sequence[Row], outcomes: dict[str, Outcome], out: Path) -> None:
    from montra.validation.disruption import report
    from montra.validation.disruption.summary import NONE

    monitored = {policy: one.strays for policy, one in outcomes.items() if policy != NONE}
    for lines in (report.delays(table), report.efforts(table), report.stray_table(monitored)):
        grid = Table(box=None, pad_edge=False)
        for name in lines[0]:
            grid.add_column(name, no_wrap=True)
        for line in lines[1:]:
            grid.add_row(*line)
        results.print(grid)
        results.print()
    for note in report.NOTES:
        tell(note)
    versions = "; ".join(value["versions"].values())
    tell(f"seed {value['seed']}; montra {versions}; {value['seconds']:.0f} s; wrote {out}/{NAME}.json, .csv, .svg")


def _plot(table: Sequence[Row]) -> str:
    """Draw the median first announce of each client under each policy, with its range, on a log scale."""
    from analysis.style import SERIES, axes, svg
    from montra.validation.disruption.summary import RESOLUTION_S

    shown = [row for row in table if row.trials]
    with axes(NAME, height=max(1.0, len(shown) / 14)) as (figure, ax):
        for place, row in enumerate(shown):
            median, least, most = (
                min(max(value, RESOLUTION_S), 1e3)
                for value in (row.first_announce_s.median, row.first_announce_s.least, row.first_announce_s.most)
            )
            colour = SERIES[1] if row.displaced else SERIES[0]
            ax.plot([least, most], [place, place], color=colour)
            ax.plot([median], [place], color=colour, marker="o", markersize=4, linestyle="")
        ax.set_yticks(range(len(shown)), [f"{row.client}, {row.policy}" for row in shown], fontsize=7)
        ax.invert_yaxis()
        ax.set_xscale("log")
        ax.set_xlabel("first announce, s after the first query (orange: real nodes left out)")
        return svg(figure)
