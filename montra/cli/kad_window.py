"""One window on a private Kad network of real amuled: what `demo` and the verbs of `validate` that need one share."""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from montra.lab.kad.network import KadLab, kad_lab
from montra.lab.kad.population import CRAWLER_ADDRESS, UDP_PORT, monitor_addresses
from montra.lab.kad.settings import KadLabSettings, KadWorkload
from montra.lab.mixed.monitoring import Monitoring
from montra.window import shipped
from montra.window.config import merge, parse, validate

#: How long the fleet may take to be visible to its targets before the workload starts anyway.
VISIBLE_S = 90.0
#: Addresses beyond one for each target: a monitor that is not handed out moves to another.
_SPARE_SHARE = 0.25
#: A client answers so many REQ of one address a minute of its clock (aMule `PacketTracking.cpp`).
_REQ_A_MINUTE = 10
_DURATION = "6h"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class KadWindow:
    """The sealed run, the lab's folder with its record, when its workload began, monitors visible then, of how many."""

    run: Path
    lab: Path
    went_ns: int
    visible: int
    targets: int


def watch_kad(
    settings: KadLabSettings,
    workload: KadWorkload,
    folder: Path,
    overrides: Mapping[str, Any],
    say_step: Say,
    *,
    age_s: float = 0.0,
) -> KadWindow:
    """Start a network, run a window on its zone around a workload, seal the run in `folder`; all of it is ended then.

    overrides: dotted names of the configuration that differ from configs/kad-lab.toml; age_s: of the network when the
    workload begins, at least, in seconds of its clock. Raises LabError, ConfigError.
    """
    config = window_config(settings, overrides)  # what no window can be is said before a network is started
    with kad_lab(settings) as lab:
        say_step(f"starting {settings.nodes} amuled in a namespace, their clocks {settings.rate:g} times as fast")
        lab.wait_connected()
        say_step("all are connected to Kad and reached by strangers")
        monitoring = Monitoring(lab.inside, folder, config | {"bootstrap": lab.bootstrap})
        try:
            visible = _wait_visible(lab, monitoring, settings.in_zone)
            say_step(f"{visible} monitors are handed out, of {settings.in_zone} nodes in the zone")
            lab.wait_publishing()
            lab.wait(max(0.0, age_s - lab.age_s) / settings.rate)
            lab.go(workload)
            lab.wait_done()
            monitoring.end()
        finally:
            monitoring.kill()
        say_step("the workload is over, the run sealed")
    return KadWindow(monitoring.run, settings.out, lab.went_ns, visible, settings.in_zone)


def window_config(settings: KadLabSettings, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a window on such a lab, without bootstrap; raises ConfigError."""
    monitors = monitor_addresses(round(settings.in_zone * (1 + _SPARE_SHARE)) + 1)
    own: dict[str, Any] = {
        "zone": settings.zone,
        "seed": settings.seed,
        "duration": _DURATION,
        "addresses.crawler": f"{CRAWLER_ADDRESS}:{UDP_PORT}",
        "addresses.monitors": monitors,
        "addresses.ports": f"{UDP_PORT}-{UDP_PORT + _workers(overrides) - 1}",
        "crawl.spacing_s": 65 / _REQ_A_MINUTE / settings.rate,
    }
    config = merge(tomllib.loads(shipped.text("kad-lab")), own | dict(overrides))
    validate(parse(config | {"bootstrap": ["192.0.2.1:1"]}))
    return config


def _workers(overrides: Mapping[str, Any]) -> int:
    """Return how many processes hold monitors: each needs a port of its own."""
    workers = overrides.get("processes.workers", 1)
    return workers if isinstance(workers, int) else len(os.sched_getaffinity(0))


def _wait_visible(lab: KadLab, monitoring: Monitoring, targets: int) -> int:
    """Wait until all targets hand their monitors out, or for long enough; return how many do."""
    end = time.monotonic() + VISIBLE_S
    while True:
        lab.wait(1.0)
        monitoring.check()
        visible = sum(bool(one.visible) and not one.visible[-1][1] for one in monitoring.attachments())
        if visible >= targets or time.monotonic() > end:
            return visible
