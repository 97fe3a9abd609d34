"""One window on a private network of real clients: what `demo` and the verbs of `validate` that need a lab share."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import gevent.event

from montra.cli.monitor import refuse_what_cannot_run
from montra.cli.session import Ended, Observer, run_window
from montra.lab.process import LabProcess
from montra.lab.settings import LabError, LabSettings
from montra.window import shipped
from montra.window.config import Config, merge, parse, validate
from montra.window.window import Window

#: How long the fleet may take to be visible to its targets before the workload starts anyway; under churn it never is
#: to all of them.
READY_S = 20.0
POLL_S = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LabWindow:
    """How the window ended, and when the lab's workload began (0: never, the window was stopped before)."""

    ended: Ended
    went_ns: int


class _Conductor(Observer):
    """Starts the lab's workload when the fleet is ready, and ends the window when the workload is over."""

    def __init__(self, lab: LabProcess, stop: gevent.event.Event, say_step: Say) -> None:
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
        except Exception as error:  # raised by `watch_lab`: a greenlet's own is only printed
            self.failure = error
        finally:
            self._stop.set()


def _ready(window: Window) -> bool:
    """Tell whether the zone was crawled twice and every target was seen handing its monitor out."""
    states = window.fleet.states()
    open_ones = sum(states[name] for name in ("waiting", "introduced", "accepted", "hidden"))
    return window.totals.crawls >= 2 and states["visible"] > 0 and open_ones == 0


def watch_lab(settings: LabSettings, folder: Path, overrides: Mapping[str, Any], say_step: Say) -> LabWindow:
    """Start a lab, let it converge, run a window around its workload and seal the run in `folder`.

    overrides: dotted names of the configuration that differ from configs/lab.toml. Raises LabError, ConfigError and
    what `run_window` raises.
    """
    _config(settings, folder, overrides)  # what no window can be is said before a lab is started
    with LabProcess(settings) as lab:
        say_step(f"starting {settings.nodes} libtorrent nodes on {settings.subnet}.1.1 and the /24s after it")
        _wait_for_network(lab, settings.converge_timeout_s + 60)
        assert lab.ready is not None  # noqa: S101 - waited for
        assert lab.converged is not None  # noqa: S101 - waited for
        say_step(f"network converged: tables hold {lab.converged.recall:.1%} of the true neighbours")
        config = _config(settings, folder, overrides, lab.ready.bootstrap)
        refuse_what_cannot_run(config)
        stop = gevent.event.Event()
        conductor = _Conductor(lab, stop, say_step)
        ended = run_window(config, conductor, stop)
        if conductor.failure is not None:
            raise conductor.failure
    say_step(f"{ended.exit}: {ended.manifest.captures} captures, {ended.manifest.attachments} attachments; sealed")
    return LabWindow(ended, conductor.went_ns)


def run_lab_alone(settings: LabSettings, say_step: Say) -> None:
    """Start a lab, let it converge and do its workload with no monitors about; raises LabError."""
    with LabProcess(settings) as lab:
        say_step(f"starting {settings.nodes} libtorrent nodes on {settings.subnet}.1.1 and the /24s after it")
        _wait_for_network(lab, settings.converge_timeout_s + 60)
        lab.go()
        while lab.done is None:
            time.sleep(POLL_S)
            lab.poll()


def _config(
    settings: LabSettings, folder: Path, overrides: Mapping[str, Any], bootstrap: Sequence[tuple[str, int]] = ()
) -> Config:
    """Return the window's configuration, with the shipped bootstrap nodes where none are given; raises ConfigError."""
    own: dict[str, Any] = {"zone": settings.zone, "seed": settings.seed, "storage.runs": str(folder)}
    if bootstrap:
        own["bootstrap"] = [f"{ip}:{port}" for ip, port in bootstrap]
    config = parse(merge(tomllib.loads(shipped.text("lab")), own | dict(overrides)))
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
