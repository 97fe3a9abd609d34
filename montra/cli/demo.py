"""`montra demo`: the whole way on a private network of real clients, judged by what those clients themselves logged."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import gevent
import gevent.event
import msgspec
from rich.table import Table

from montra.cli.common import Exit, clear_errors, emit, json_option, require_extra, results, say, tell
from montra.cli.monitor import exit_code, refuse_what_cannot_run
from montra.cli.options import WorkersType
from montra.cli.session import Ended, Observer, run_window
from montra.lab.process import LabProcess
from montra.lab.settings import ChurnSettings, LabError, LabSettings, WorkloadSettings
from montra.validation.compare import compare
from montra.validation.comparison import Comparison
from montra.validation.tables import document, rows
from montra.validation.truth import TruthError
from montra.window import shipped
from montra.window.analyze import analyze_run, report_runs
from montra.window.config import Config, merge, parse, validate
from montra.window.units import format_duration, parse_duration
from montra.window.window import Window

#: The comparison, in the run folder, where the report finds it.
VALIDATION = "validation.json"
#: How long the fleet may take to be visible to its targets before the workload starts anyway; under churn it never is
#: to all of them.
READY_S = 20.0
POLL_S = 0.1
#: The workload's keys. Many and not too unequal, because lookups of one key end at one node: what is right or wrong for
#: one of them is so for most, and only distinct keys tell more.
KEYS, ZIPF = 300, 0.6


class _Conductor(Observer):
    """Starts the lab's workload when the fleet is ready, and ends the window when the workload is over."""

    def __init__(self, lab: LabProcess, stop: gevent.event.Event, say_step: Callable[[str], None]) -> None:
        self.went_ns = 0
        self.failure: Exception | None = None
        self._lab = lab
        self._stop = stop
        self._say = say_step

    def begun(self, run: Path, window: Window) -> None:
        """Follow the lab beside the window."""
        del run
        gevent.spawn(self._follow, window)

    def _follow(self, window: Window) -> None:
        begin = time.monotonic()
        try:
            while self._lab.done is None and not self._stop.is_set():
                self._lab.poll()
                if not self.went_ns and (_ready(window) or time.monotonic() - begin > READY_S):
                    visible = window.fleet.states()["visible"]
                    self._say(f"{visible} monitors visible to their targets after {time.monotonic() - begin:.1f} s")
                    self.went_ns = time.time_ns()
                    self._lab.go()
                gevent.sleep(POLL_S)
        except Exception as error:  # raised by `_monitor`: a greenlet's own is only printed
            self.failure = error
        finally:
            self._stop.set()


def _ready(window: Window) -> bool:
    """Tell whether the zone was crawled twice and every target was seen handing its monitor out."""
    states = window.fleet.states()
    open_ones = sum(states[name] for name in ("waiting", "introduced", "accepted", "hidden"))
    return window.totals.crawls >= 2 and states["visible"] > 0 and open_ones == 0


def _settings(folder: Path, nodes: int, lookups: int, announces: int, churn: str, seed: int) -> LabSettings:
    mean_session_s = parse_duration(churn) if churn else 0.0
    return LabSettings(
        out=str(folder / "lab"),
        nodes=nodes,
        seed=seed,
        workload=WorkloadSettings(
            lookups=lookups,
            announces=announces,
            duration_s=60.0 if churn else 30.0,
            info_hashes=KEYS,
            zipf=ZIPF,
        ),
        churn=ChurnSettings(mean_session_s=mean_session_s),
    )


def _config(lab: LabProcess, settings: LabSettings, folder: Path, workers: int | str) -> Config:
    assert lab.ready is not None  # noqa: S101 - the caller waited for it
    config = parse(
        merge(
            tomllib.loads(shipped.text("lab")),
            {
                "zone": settings.zone,
                "seed": settings.seed,
                "bootstrap": [f"{ip}:{port}" for ip, port in lab.ready.bootstrap],
                "storage.runs": str(folder),
                "processes.workers": workers,
            },
        )
    )
    validate(config)
    return config


def _wait_for_network(lab: LabProcess, limit_s: float) -> None:
    """Wait until the network has converged; raises LabError."""
    end = time.monotonic() + limit_s
    while lab.converged is None:
        if time.monotonic() > end:
            raise LabError(f"the network has not converged within {limit_s:.0f} s")
        time.sleep(POLL_S)
        lab.poll()


def _table(comparison: Comparison) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in rows(comparison):
        table.add_row(name, value)
    return table


@click.command(epilog="Example: montra demo --churn 2m --nodes 150")
@click.option("--nodes", default=128, show_default=True, help="libtorrent nodes, three quarters of them in the zone.")
@click.option("--lookups", default=320, show_default=True, help="Lookups that only search.")
@click.option("--announces", default=110, show_default=True, help="Lookups that end in an announce.")
@click.option("--churn", default="", help="Mean session of a node, such as 2m; nobody leaves without it.")
@click.option("--seed", default=1, show_default=True, help="Seed of the network and of the window.")
@click.option(
    "--workers", type=WorkersType(), default=1, show_default=True, help="Processes that hold monitors, or auto."
)
@click.option(
    "-o", "--out", default="montra-demo", show_default=True, type=click.Path(path_type=Path), help="Folder for results."
)
@json_option
@clear_errors
def demo(
    nodes: int, lookups: int, announces: int, churn: str, seed: int, workers: int | str, out: Path, as_json: bool
) -> None:
    """Run everything once: a private network of real libtorrent nodes, a window on a zone of it, the report.

    \b
    1. start the nodes on loopback addresses and let their routing tables converge
    2. crawl the zone, put a monitor beside each of its nodes
    3. let the nodes look up and announce
    4. seal the run, find each lookup's destination, write tables and the report
    5. compare with what the nodes themselves logged

    Needs no privileges and sends nothing beyond 127.0.0.0/8. Ends in under three minutes. Fails when the
    workload did not run as asked for, so that the figures would be of something else.
    """
    begin = time.monotonic()

    def step(text: str) -> None:
        say(f"[dim]{time.monotonic() - begin:6.1f} s[/]  {text}")

    folder = out / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        settings = _settings(folder, nodes, lookups, announces, churn, seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        with LabProcess(settings) as lab:
            step(f"starting {nodes} libtorrent nodes on {settings.subnet}.1.1 and the /24s after it")
            _wait_for_network(lab, settings.converge_timeout_s + 60)
            assert lab.converged is not None  # noqa: S101 - waited for
            step(f"network converged: tables hold {lab.converged.recall:.1%} of the true neighbours")
            ended, went_ns = _monitor(_config(lab, settings, folder, workers), lab, step)
        step(f"{ended.exit}: {ended.manifest.captures} captures by {ended.manifest.attachments} monitors; sealed")
        if not went_ns:  # stopped before there was anything to compare
            raise SystemExit(int(exit_code(ended)))
        analysis = analyze_run(ended.run)
        comparison = compare(ended.run, Path(settings.out), since_ns=went_ns)
        # names, not paths: the file may be passed on
        comparison = replace(comparison, run=ended.run.name, truth=Path(settings.out).name)
        (ended.run / VALIDATION).write_bytes(document(comparison))
        page = report_runs([ended.run])
    except ImportError as error:
        raise require_extra(error, "lab,analysis") from error
    except (LabError, TruthError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:  # before the window, which has its own way of ending
        raise SystemExit(int(Exit.INTERRUPTED)) from None
    step(f"{analysis.lookups} lookups attributed; report written")
    seconds = time.monotonic() - begin

    def text() -> None:
        results.print()
        results.print(_table(comparison))
        results.print()
        tell(f"{format_duration(seconds)} in all. Open {page}")

    emit(
        as_json,
        {
            "run": str(ended.run),
            "report": str(page),
            "seconds": round(seconds, 1),
            "comparison": msgspec.json.decode(document(comparison)),
        },
        text,
    )
    if exit_code(ended) != Exit.OK:
        raise SystemExit(int(exit_code(ended)))
    if comparison.flaw:
        raise click.ClickException(comparison.flaw)


def _monitor(config: Config, lab: LabProcess, say_step: Callable[[str], None]) -> tuple[Ended, int]:
    """Run the window around the lab's workload; returns how it ended and when the workload began."""
    refuse_what_cannot_run(config)
    stop = gevent.event.Event()
    conductor = _Conductor(lab, stop, say_step)
    ended = run_window(config, conductor, stop)
    if conductor.failure is not None:
        raise conductor.failure
    return ended, conductor.went_ns
