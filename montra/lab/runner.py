"""Runs a lab from the first node to the last line of truth."""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Iterable
from pathlib import Path

from montra.lab.churn import Departures
from montra.lab.control import Control
from montra.lab.events import (
    LOG_NAME,
    SCHEMA,
    Announce,
    Began,
    Converged,
    Done,
    EventLog,
    Lookup,
    Overflow,
    Ready,
)
from montra.lab.isolation import require_isolated
from montra.lab.network import Network
from montra.lab.node import LIBTORRENT_VERSION, AlertsLostError
from montra.lab.population import Placements
from montra.lab.settings import LabError, LabSettings
from montra.lab.workload import Command, Requests, make_keys, schedule
from zone_store.keyspace.zone import Zone

#: Nodes that never leave, as routers do: what montra bootstraps from.
BOOTSTRAP_NODES = 3
#: Own-ID lookups, one node after the other at this rate while the network settles.
LOOK_AROUND_RATE = 100.0
#: An arriving node looks its neighbourhood up again after this, and issues no lookups of the workload before it.
ARRIVAL_SETTLE_S = 5.0
#: Pauses of the start: for the first contacts' answers, and for packet logs to be on in all nodes before a command.
_CONTACT_S = 1.0
_LOGGING_S = 0.3


class _EndError(Exception):
    """Somebody or something ended the lab; `reason` goes into the last line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Lab:
    """One lab. `run` blocks until it is over."""

    def __init__(self, settings: LabSettings, control: Control, log: EventLog) -> None:
        rng = random.Random(settings.seed)
        self._settings = settings
        self._control = control
        self._log = log
        self._rng = rng
        self._zone = Zone.parse(settings.zone)
        self._placements = Placements(settings, rng)
        self._network = Network(rng, log, self._pause)
        self._departures = Departures(settings.churn.mean_session_s, rng)
        self._arrivals: list[tuple[float, int]] = []
        self._keys: frozenset[bytes] = frozenset()
        self._begin_s = time.monotonic()
        self._done: Done | None = None
        self._counts = {"lookups": 0, "announces": 0, "skipped": 0}

    def run(self) -> Done:
        """Start, converge, work, wait; return how the workload ended.

        Raises LabError when the network does not converge or the truth would be incomplete.
        """
        reason = "failed"
        try:
            self._live()
        except _EndError as over:
            reason = over.reason
        except KeyboardInterrupt:
            reason = "interrupted"
            raise
        except AlertsLostError as error:
            self._log.write(Overflow(t_ns=time.time_ns(), index=error.index))
            raise LabError(
                f"{error}: the truth is incomplete; where it overflowed, run fewer nodes or a slower workload"
            ) from error
        finally:
            done = self._finish(reason)
            self._network.close()
        return done

    def _live(self) -> None:
        settings, network = self._settings, self._network
        self._log.write(Began(t_ns=time.time_ns(), schema=SCHEMA, libtorrent=LIBTORRENT_VERSION, settings=settings))
        places = self._placements.first(settings.nodes)  # those outside the zone first: the zone churns as a whole
        for place in places:
            network.add(place)
            self._pause(0.0)
        staying = [(place.ip, place.port) for place in places[:BOOTSTRAP_NODES]]
        self._log.write(Ready(t_ns=time.time_ns(), seconds=self._age_s(), nodes=len(places), bootstrap=staying))
        self._converge()
        for index in list(network.live)[BOOTSTRAP_NODES:]:
            self._departures.enter(index, time.monotonic())
        while not (settings.autostart or self._control.going):
            self._pause(settings.poll_s)
        self._work()
        if not self._control.attended:
            raise _EndError("finished")
        while True:
            self._pause(settings.poll_s)

    def _converge(self) -> None:
        network, settings = self._network, self._settings
        end = time.monotonic() + settings.converge_timeout_s
        unsettled: Iterable[int] = list(network.live)
        while True:
            network.introduce(unsettled)
            self._pause(_CONTACT_S)
            for own in (True, False):
                self._look_around(own)
            self._pause(_CONTACT_S)
            shares = network.recall()
            recall = sum(shares.values()) / len(shares)
            if recall >= settings.target_recall:
                break
            if time.monotonic() > end:
                raise LabError(f"not converged after {settings.converge_timeout_s:.0f} s: recall {recall:.3f}")
            unsettled = [index for index, share in shares.items() if share < 1]
        cpu_s, rss = _usage()
        self._log.write(
            Converged(
                t_ns=time.time_ns(),
                seconds=self._age_s(),
                recall=recall,
                recall_low=min(shares.values()),
                cpu_s=cpu_s,
                peak_rss_bytes=rss,
            )
        )

    def _look_around(self, own: bool) -> None:
        order = list(self._network.live)
        self._rng.shuffle(order)
        for index in order:
            self._network.look_around(index, own)
            self._pause(1 / LOOK_AROUND_RATE)

    def _work(self) -> None:
        workload = self._settings.workload
        keys = make_keys(workload, self._zone, self._rng)
        requests = Requests(keys, workload.zipf, self._rng)
        commands = schedule(workload, self._rng)
        self._keys = frozenset(keys)
        self._network.set_logging(True)
        self._pause_until(time.monotonic() + _LOGGING_S)
        begin_s = time.monotonic()
        quiet_s = begin_s
        for command in commands:
            self._pause_until(begin_s + command.at_s)
            self._issue(command, requests)
            rest_s = workload.drain_s if command.announce else workload.settle_s
            quiet_s = max(quiet_s, time.monotonic() + rest_s)
        self._pause_until(quiet_s)
        self._network.set_logging(False)
        self._finish("finished")

    def _issue(self, command: Command, requests: Requests) -> None:
        now_s = time.monotonic()
        started = self._network.started
        settled = [i for i in self._network.live if i < self._settings.nodes or started[i] <= now_s - ARRIVAL_SETTLE_S]
        drawn = requests.draw(now_s, settled)
        if drawn is None:
            self._counts["skipped"] += 1
            return
        index, key = drawn
        node = self._network.live[index]
        event = Announce if command.announce else Lookup
        place = node.place
        self._log.write(
            event(t_ns=time.time_ns(), index=index, ip=place.ip, port=place.port, key=key.hex(), noseed=command.seed)
        )
        if command.announce:
            node.announce(key, command.seed)
        else:
            node.look_up(key)
        self._counts["announces" if command.announce else "lookups"] += 1

    def _pause_until(self, at_s: float) -> None:
        while (left := at_s - time.monotonic()) > 0:
            self._pause(min(left, self._settings.poll_s))

    def _pause(self, seconds: float) -> None:
        """Let time pass while packets are logged and nodes come and go; raises _EndError when it is time to end."""
        self._control.wait(seconds)
        now_s = time.monotonic()
        self._network.drain(self._keys)
        for index in self._departures.due(now_s):
            self._replace(index, now_s)
        while self._arrivals and self._arrivals[0][0] <= now_s:
            index = self._arrivals.pop(0)[1]
            if index in self._network.live:
                self._network.look_around(index, own=True)
        self._log.flush()
        if self._control.closed:
            raise _EndError("closed")
        if self._control.stopping:
            raise _EndError("stopped")
        if self._age_s() > self._settings.max_life_s:
            raise _EndError("max_life")

    def _replace(self, index: int, now_s: float) -> None:
        # the newcomer takes the zone's side of the one that left, so both populations keep their size
        place = self._placements.place(self._network.live[index].place.in_zone)
        new = self._network.replace(index, place)
        self._departures.enter(new, now_s)
        self._arrivals.append((now_s + ARRIVAL_SETTLE_S, new))

    def _age_s(self) -> float:
        return time.monotonic() - self._begin_s

    def _finish(self, reason: str) -> Done:
        if self._done is None:
            cpu_s, rss = _usage()
            self._done = Done(
                t_ns=time.time_ns(),
                reason=reason,
                live=len(self._network.live),
                cpu_s=cpu_s,
                peak_rss_bytes=rss,
                **self._counts,
            )
            self._log.write(self._done)
        self._log.flush()
        return self._done


def run_lab(settings: LabSettings, control_fd: int | None = None) -> Done:
    """Run a lab in this process, obeying the orders that come in on `control_fd`; blocks until it is over.

    Truth goes to lab.jsonl in the out folder (made if missing). With no descriptor the lab ends when its workload is
    done. Raises LabError when it cannot start, does not converge or loses truth, OSError when the disk fails.
    """
    if control_fd is None and not settings.autostart:
        raise LabError("autostart must be set where nobody can say go")
    require_isolated(settings)
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        file = (out / LOG_NAME).open("x", encoding="ascii")
    except FileExistsError:
        raise LabError(f"{out} holds the truth of another lab; choose a new folder") from None
    with file:
        return Lab(settings, Control(control_fd), EventLog(file)).run()


def _usage() -> tuple[float, int]:
    """Return CPU seconds (all threads, user and system) and peak resident bytes of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
