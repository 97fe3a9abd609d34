"""What every driver has to know, on sockets (`driver`) or in virtual time (`montra.simulator.drive`).

The machine it drives, and how. Knows no gevent, so that the simulator needs none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from montra.datagrams import Counters, Datagram, DatagramBatch
from montra.endpoint.blocklist import Blocklist
from montra.endpoint.limits import Limits, LimitSettings
from montra.endpoint.outbox import Outbox


class Machine(Protocol):
    """A protocol machine: told the time and what arrived, it says what to send. Knows no clock and no socket."""

    def start(self, now_ns: int) -> list[Datagram]:
        """Begin."""
        ...

    def feed(self, now_ns: int, batch: DatagramBatch) -> list[Datagram]:
        """Take a batch; its buffer is written again after the call, so copy what is kept."""
        ...

    def tick(self, now_ns: int) -> list[Datagram]:
        """Do what is due; called when `due` is reached, or later."""
        ...

    def due(self, now_ns: int) -> int:
        """Return when `tick` should be called next (NEVER_NS or anything beyond the run for never)."""
        ...


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """How to drive.

    limits, blocklist: checked before every send; max_wait_s, max_waiting: how long and how many datagrams wait for the
    limits; crawl_wait_s: how long the crawler's wait, whose time-outs, longer than this, run meanwhile; max_answers:
    answers that wait, beside max_waiting; batch_rows: datagrams fed at once; batches_per_wake: batches before the timer
    has its turn; gather_s: rest after a wake that brought little (`Intake.rest_below`; 0: none); min_tick_s: shortest
    time between two ticks.
    """

    limits: LimitSettings = field(default_factory=LimitSettings)
    blocklist: Blocklist = field(default_factory=Blocklist)
    max_wait_s: float = 5.0
    max_waiting: int = 20_000
    crawl_wait_s: float = 1.0
    max_answers: int = 2_000
    batch_rows: int = 4096
    batches_per_wake: int = 2
    gather_s: float = 0.005
    min_tick_s: float = 0.001

    def outbox(self, limits: Limits, counters: Counters) -> Outbox:
        """Return a gate for what is to be sent, as these settings say."""
        return Outbox(
            limits,
            self.blocklist,
            self.max_wait_s,
            self.max_waiting,
            counters,
            crawl_wait_s=self.crawl_wait_s,
            max_answers=self.max_answers,
        )
