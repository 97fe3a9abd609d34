"""The canaries of a running window on real sockets, in the process that crawls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import gevent

from montra.endpoint.clock import AnchoredClock
from montra.endpoint.driver import Driver
from montra.endpoint.driving import DriverSettings
from montra.endpoint.sockets import Sockets, open_sockets
from montra.window.build import Parts
from montra.window.canaries import PREFIX, CanaryMachine, build_canaries, canary_plans
from montra.window.config import Config
from montra.window.units import parse_size
from zone_store.run.canaries import CanaryLog


def open_canary_sockets(config: Config, stack: ExitStack) -> list[Sockets]:
    """Open the sockets of the canaries, before there is a run; raises EndpointError."""
    buffer = parse_size(config.addresses.receive_buffer)
    return [
        stack.enter_context(open_sockets(plan, "shared", buffer, crawler_only=True)) for plan in canary_plans(config)
    ]


class Canaries:
    """All canaries of one window, each with a driver of its own that shares the limits and counters of `beside`."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        folder: Path,
        sockets: list[Sockets],
        settings: DriverSettings,
        clock: AnchoredClock,
        beside: Driver,
        stack: ExitStack,
    ) -> None:
        self._clock = clock
        self._machines: list[CanaryMachine] = []
        self._drivers: list[Driver] = []
        self._greenlets: list[gevent.Greenlet[..., object]] = []
        if not sockets:
            return
        self._log = stack.enter_context(CanaryLog(folder))
        self._machines = build_canaries(config, parts.overlay, parts.zone, parts.seed, self._log.write)
        for plan, opened, machine in zip(canary_plans(config), sockets, self._machines, strict=True):
            self._drivers.append(Driver(plan, opened, machine, settings, clock, beside))

    def start(self, guard: Callable[[Callable[[], None]], object]) -> None:
        """Start them all as greenlets; guard: runs each, and keeps what it raises from ending the window."""
        self._greenlets = [gevent.spawn(guard, driver.run) for driver in self._drivers]

    def finish(self) -> None:
        """End them and log what they had under way."""
        gevent.killall(self._greenlets)
        for machine in self._machines:
            machine.canary.finish(self._clock.now_ns())

    def counters(self) -> dict[str, int]:
        """Return the canaries' own counters (the endpoint's are with all others)."""
        total: dict[str, int] = {}
        for machine in self._machines:
            for name, count in machine.canary.counters.counts.items():
                total[PREFIX + name] = total.get(PREFIX + name, 0) + count
        if self._machines:
            total[f"{PREFIX}log_full"] = self._log.dropped
        return total
