"""Who of the workers lives, who is started when, and how long a part of the zone was left alone. Sans-I/O.

A worker is down from its last word that reached the disk until another one in its place is ready: that time is a row
of the ledger. It is started again after a rest that doubles, and given up after too many deaths in a row.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from crawler.crawl import NEVER_NS
from crawler.settings import nanoseconds
from zone_store.captures import Loss
from zone_store.losses import PARTLY_RUNNING


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    """start_s: from the start to being ready; hung_s: without a sign of life, of which there is one a second.

    first_rest_s, longest_rest_s: before a dead one is started again, doubled each time; most_deaths, within_s: more
    deaths than that in such a time, and its place stays empty.
    """

    start_s: float = 60.0
    hung_s: float = 10.0
    first_rest_s: float = 0.5
    longest_rest_s: float = 30.0
    most_deaths: int = 5
    within_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Start:
    """Start worker `generation` (0 is the first) of a slot."""

    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the worker of a slot: it does not show that it lives."""

    slot: int
    reason: str


class Phase(Enum):
    """Where a slot stands."""

    DOWN = "down"
    STARTING = "starting"
    RUNNING = "running"
    KILLED = "killed"  # its death is awaited
    GIVEN_UP = "given up"


@dataclass(slots=True)
class _Slot:
    """phase; due_ns: when it is to be started, or taken for hung; alone_ns: since when its sector is alone, -1: not."""

    phase: Phase = Phase.DOWN
    due_ns: int = 0
    alone_ns: int = -1
    durable_ns: int = 0
    generation: int = -1
    deaths: deque[int] = field(default_factory=deque)


class Supervisor:
    """The rules. Whoever drives it does what `tick` returns and tells what happens.

    deaths: workers that ended without being asked.
    """

    def __init__(self, workers: int, begin_ns: int, settings: SupervisorSettings | None = None) -> None:
        self._settings = settings or SupervisorSettings()
        self._begin_ns = self._ticked_ns = begin_ns
        self._slots = [_Slot(due_ns=begin_ns) for _ in range(workers)]
        self._losses: list[Loss] = []
        self.deaths = 0

    def phase(self, slot: int) -> Phase:
        """Return where a slot stands."""
        return self._slots[slot].phase

    @property
    def alone(self) -> int:
        """Slots whose sector has been left alone and still is."""
        return sum(one.alone_ns >= 0 for one in self._slots)

    @property
    def hopeless(self) -> bool:
        """Whether all slots are given up."""
        return all(one.phase is Phase.GIVEN_UP for one in self._slots)

    def tick(self, now_ns: int) -> list[Start | Kill]:
        """Return what is to be done now; to be called every second at least."""
        actions: list[Start | Kill] = []
        late_ns = now_ns - self._ticked_ns - nanoseconds(1.0)
        self._ticked_ns = now_ns
        if late_ns > 0:  # it was us who slept: what they said meanwhile is still to be read
            for one in self._slots:
                if one.phase in (Phase.STARTING, Phase.RUNNING):
                    one.due_ns += late_ns
        for slot, one in enumerate(self._slots):
            if now_ns < one.due_ns:
                continue
            if one.phase is Phase.DOWN:
                one.generation += 1
                one.phase = Phase.STARTING
                one.due_ns = now_ns + nanoseconds(self._settings.start_s)
                actions.append(Start(slot, one.generation))
            elif one.phase in (Phase.STARTING, Phase.RUNNING):
                said = "was not ready" if one.phase is Phase.STARTING else "gave no sign of life"
                seconds = self._settings.start_s if one.phase is Phase.STARTING else self._settings.hung_s
                one.phase = Phase.KILLED
                one.due_ns = NEVER_NS
                actions.append(Kill(slot, f"{said} for {seconds:g} s"))
        return actions

    def due(self) -> int:
        """Return when `tick` has something to do next."""
        return min(NEVER_NS if one.phase is Phase.GIVEN_UP else one.due_ns for one in self._slots)

    def ready(self, now_ns: int, slot: int) -> None:
        """A worker holds its sector."""
        one = self._slots[slot]
        if one.phase is not Phase.STARTING:
            return
        one.phase = Phase.RUNNING
        one.due_ns = now_ns + nanoseconds(self._settings.hung_s)
        one.durable_ns = now_ns
        self._close(now_ns, one)

    def heard(self, now_ns: int, slot: int, durable_ns: int) -> None:
        """A worker gave a sign of life; what it captured before `durable_ns` is on disk."""
        one = self._slots[slot]
        if one.phase is Phase.RUNNING:
            one.due_ns = now_ns + nanoseconds(self._settings.hung_s)
            one.durable_ns = max(one.durable_ns, min(durable_ns, now_ns))

    def died(self, now_ns: int, slot: int) -> None:
        """A worker is no more."""
        one = self._slots[slot]
        if one.phase in (Phase.DOWN, Phase.GIVEN_UP):
            return
        if one.alone_ns < 0:  # the time before the first one is ready counts only if it never is
            one.alone_ns = one.durable_ns or self._begin_ns
        self.deaths += 1
        one.deaths.append(now_ns)
        while one.deaths[0] < now_ns - nanoseconds(self._settings.within_s):
            one.deaths.popleft()
        if len(one.deaths) > self._settings.most_deaths:
            one.phase = Phase.GIVEN_UP
            return
        rest_s = min(self._settings.first_rest_s * 2 ** (len(one.deaths) - 1), self._settings.longest_rest_s)
        one.phase = Phase.DOWN
        one.due_ns = now_ns + nanoseconds(rest_s)

    def end(self, now_ns: int) -> None:
        """The window is over: who is still down stays so."""
        for one in self._slots:
            self._close(now_ns, one)

    def take_losses(self) -> list[Loss]:
        """Return the ledger rows of sectors left alone that are new since the last call."""
        taken, self._losses = self._losses, []
        return taken

    def _close(self, now_ns: int, one: _Slot) -> None:
        if one.alone_ns >= 0:
            self._losses.append(Loss(PARTLY_RUNNING, one.alone_ns, max(now_ns, one.alone_ns), 1))
            one.alone_ns = -1
