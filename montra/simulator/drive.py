"""Virtual time: drives a window over a simulated network as `montra.endpoint.driver` does over sockets.

The send gate is the endpoint's own (`outbox`, `limits`, `blocklist`), the clock jumps from one thing due to the next,
and what arrives within a rest is one batch, as it is for the real driver. Nothing here reads a clock, so the same
network gives the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from montra.datagrams import SLOT_BYTES, SLOT_STEP, Counters, DatagramBatch
from montra.endpoint.driving import DriverSettings, Machine
from montra.endpoint.limits import Limits
from montra.endpoint.plan import AddressPlan

Arrival = tuple[int, int, int, int, int, bytes]
"""time_ns, own IP, own port, source IP, source port, payload."""

_SECOND_NS = 1_000_000_000


class Network(Protocol):
    """What carries datagrams: `montra.simulator.network.SimNetwork`, or a stand-in in a test."""

    def send(self, now_ns: int, source: tuple[int, int], ip: int, port: int, payload: bytes) -> None:
        """Put a datagram of ours on the wire."""
        ...

    def next_ns(self) -> int:
        """Return when anything happens next, 2**63 - 1 for never."""
        ...

    def advance(self, until_ns: int) -> Sequence[Arrival]:
        """Run up to and including this time; return what arrives at us, in time order."""
        ...


class VirtualDriver:
    """Drives one machine over one network, once.

    settings: as for sockets, but that all that has arrived is read at each wake, and that a rest follows each read
    (gather_s). A longer rest makes answers so much later and the simulation faster; arrival times of what is captured
    are the network's whatever it is.

    counters: the endpoint's drops and refusals by name, and what was received and sent.
    """

    def __init__(self, plan: AddressPlan, network: Network, machine: Machine, settings: DriverSettings) -> None:
        self.counters = Counters()
        self._plan = plan
        self._network = network
        self._machine = machine
        self._rows = settings.batch_rows
        self._gather_ns = int(settings.gather_s * 1e9)
        self._min_tick_ns = int(settings.min_tick_s * 1e9)
        self._outbox = settings.outbox(Limits(settings.limits), self.counters)
        # of all pairs that have sent, since asking the plan for each datagram is slow
        self._addresses: dict[int, tuple[int, int]] = {}
        self._locals: dict[tuple[int, int], int] = {}
        self._arrived: list[Arrival] = []
        self._read_ns = 0  # not before this: the rest
        self._ticked_ns = 0

    def crawl_unsent(self) -> int:
        """Return how many of the crawler's queries never left so far (fits `ZoneCrawler.unsent`)."""
        return self._outbox.crawl_unsent

    def run(
        self, begin_ns: int, until_ns: int, look: Callable[[int], None] = lambda _now_ns: None, look_s: float = 60.0
    ) -> None:
        """Run from begin_ns to until_ns of the network's clock; `look` is called every look_s of it."""
        network, machine, outbox = self._network, self._machine, self._outbox
        look_ns = int(look_s * _SECOND_NS)
        next_look_ns = begin_ns + look_ns
        now_ns = self._read_ns = begin_ns
        self._ticked_ns = begin_ns - self._min_tick_ns
        outbox.offer(now_ns, machine.start(now_ns))
        self._send(now_ns)
        while True:
            arrives_ns = self._read_ns if self._arrived else max(network.next_ns(), self._read_ns)
            tick_ns = max(machine.due(now_ns), self._ticked_ns + self._min_tick_ns)
            now_ns = max(now_ns, min(arrives_ns, tick_ns, outbox.due(), next_look_ns))
            if now_ns >= until_ns:
                break
            # before anything is sent, so that the network never has to answer in its past
            self._arrived += network.advance(now_ns)
            if self._arrived and now_ns >= self._read_ns:
                self._read(now_ns)
            if now_ns >= self._ticked_ns + self._min_tick_ns and machine.due(now_ns) <= now_ns:
                self._ticked_ns = now_ns
                outbox.offer(now_ns, machine.tick(now_ns))
            self._send(now_ns)
            if now_ns >= next_look_ns:
                next_look_ns += look_ns
                look(now_ns)
        self._arrived += network.advance(until_ns)
        if self._arrived:
            self._read(until_ns)
        outbox.discard()

    def _read(self, now_ns: int) -> None:
        """Feed what has arrived."""
        arrived, self._arrived = self._arrived, []
        self._read_ns = now_ns + self._gather_ns
        for at in range(0, len(arrived), self._rows):
            batch = self._batch(arrived[at : at + self._rows])
            if len(batch):
                self._outbox.offer(now_ns, self._machine.feed(now_ns, batch), answers=True)

    def _batch(self, arrived: list[Arrival]) -> DatagramBatch:
        """Return arrivals as a batch, without those for an address that is none of ours or that never sent."""
        self.counters.add("received", len(arrived))
        find = self._locals.get
        local = np.array([find((row[1], row[2]), -1) for row in arrived], np.int32)
        if local.min() < 0:
            ours = np.flatnonzero(local >= 0)
            self.counters.add("foreign_destination", len(arrived) - len(ours))
            local, arrived = local[ours], [arrived[row] for row in ours.tolist()]
        return batch_of(arrived, local, self.counters)

    def _send(self, now_ns: int) -> None:
        ready = self._outbox.ready(now_ns)
        addresses, send = self._addresses, self._network.send
        for local, ip, port, payload in ready:
            source = addresses.get(local)
            if source is None:
                source = addresses[local] = self._plan.address(local)
                self._locals[source] = local
            send(now_ns, source, ip, port, payload)
        self.counters.add("sent", len(ready))


def batch_of(
    arrived: Sequence[Arrival], local: np.ndarray[tuple[int], np.dtype[np.int32]], counters: Counters
) -> DatagramBatch:
    """Return arrivals and their locals, int32[n], as a batch in slots no wider than the longest needs.

    `DatagramBatch.of` gives each a slot of SLOT_BYTES, which costs more than everything else for large batches.
    """
    payloads = [row[5] for row in arrived]
    size = list(map(len, payloads))
    longest = max(size, default=0)
    if longest > SLOT_BYTES:
        payloads = [payload[:SLOT_BYTES] for payload in payloads]
        counters.add("truncated", sum(n > SLOT_BYTES for n in size))
    width = max(1, -(-min(longest, SLOT_BYTES) // SLOT_STEP)) * SLOT_STEP
    flat = bytearray(b"".join([payload.ljust(width, b"\0") for payload in payloads]))
    length = np.array(size, np.int32)
    return DatagramBatch(
        np.frombuffer(flat, np.uint8).reshape(len(payloads), width),
        np.minimum(length, SLOT_BYTES),
        length > SLOT_BYTES,
        np.array([row[3] for row in arrived], np.uint32),
        np.array([row[4] for row in arrived], np.uint16),
        local,
        np.array([row[0] for row in arrived], np.int64),
    )
