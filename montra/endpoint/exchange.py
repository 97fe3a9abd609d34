"""Between the sockets of a plan and the machines: batches with local numbers in, datagrams with local numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, Datagram, DatagramBatch
from montra.endpoint.mmsg import Received, Receiver, Sender
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import BoundSocket, Sockets

#: A kernel receive time further back than this is the trace of a wall-clock step, not of a wait in the socket.
_LONGEST_WAIT_NS = 10_000_000_000


class Exchange:
    """Receives and sends for all sockets of a plan, with one preallocated buffer for each way.

    Counters: received, foreign_destination (sent to an address of this host that is not in the plan), truncated,
    kernel_drops, sent, send_<errno>, receive_<errno>.
    """

    def __init__(self, plan: AddressPlan, sockets: Sockets, rows: int, counters: Counters) -> None:
        self._plan = plan
        self._sockets = sockets
        self._counters = counters
        self._receiver = Receiver(rows, counters)
        self._sender = Sender(rows, counters)

    def receive(
        self, ready: Sequence[BoundSocket], now_ns: int, offset_ns: int
    ) -> tuple[DatagramBatch | None, list[BoundSocket]]:
        """Return what waits at these sockets, None if nothing for us does, and the sockets where more may wait.

        The latter stand in the order in which it is their turn: whoever filled the batch comes last.
        `offset_ns`: wall clock minus the run's clock, to translate the kernel's receive times, which are wall clock.
        The batch's buffer is written again by the next call. Times of different sockets' datagrams may overlap.
        """
        rows = self._receiver.rows
        received = self._receiver.receive(*(bound.socket.fileno() for bound in ready[:rows]))
        if received is None:
            return None, list(ready[rows:])
        self._counters.add("received", len(received))
        asked = ready[: len(received.counts)]
        counts = np.array(received.counts, np.intp)
        self._account(asked, counts, received)
        left = [*ready[len(asked) :], *(asked[-1:] if len(received) == rows else ())]
        batch = self._batch(asked, counts, received, now_ns, offset_ns)
        ours = batch.local >= 0
        if not ours.all():
            batch = batch.select(np.flatnonzero(ours))
            self._counters.add("foreign_destination", len(received) - len(batch))
        self._counters.add("truncated", int(np.count_nonzero(batch.truncated)))
        return (batch if len(batch) else None), left

    def _account(self, asked: Sequence[BoundSocket], counts: NDArray[np.intp], received: Received) -> None:
        """Take in the sockets' drop counters: each grows from row to row, and is absent while it is 0."""
        drops = received.control.drops
        if drops.max() < 0:
            return
        last = np.cumsum(counts) - 1
        for i in np.flatnonzero(counts).tolist():
            if drops[last[i]] >= 0:
                self._counters.add("kernel_drops", asked[i].account(int(drops[last[i]])))

    def _batch(
        self, asked: Sequence[BoundSocket], counts: NDArray[np.intp], received: Received, now_ns: int, offset_ns: int
    ) -> DatagramBatch:
        local = np.repeat(np.array([bound.local for bound in asked], np.int32), counts)
        shared = local < 0
        if shared.any():
            port = np.repeat(np.array([bound.port for bound in asked], np.uint16), counts)
            local = np.where(shared, self._plan.locals_of(received.control.destination_ip, port), local)
        wall_ns = received.control.wall_ns
        arrival = np.clip(wall_ns - offset_ns, now_ns - _LONGEST_WAIT_NS, now_ns)
        arrival[wall_ns == 0] = now_ns
        return DatagramBatch(
            received.buffer,
            received.length,
            received.truncated,
            received.source_ip,
            received.source_port,
            local,
            arrival,
        )

    def send(self, datagrams: Sequence[Datagram]) -> list[Datagram]:
        """Send datagrams, each from its own pair; return those whose socket is full at the moment (in order).

        Raises IndexError for a local outside the plan: a fault of the caller, nothing the network can cause.
        """
        if not datagrams:
            return []
        local = np.fromiter((d.local for d in datagrams), np.int64, len(datagrams))
        source_ip, source_port = self._plan.addresses_of(local)
        if self._sockets.bind == "each":
            index = local
        else:
            index = np.where(local == 0, 0, source_port.astype(np.int64) - self._plan.ports.start + 1)
        ips = np.fromiter((d.ip for d in datagrams), np.uint32, len(datagrams))
        ports = np.fromiter((d.port for d in datagrams), np.uint16, len(datagrams))
        order = np.argsort(index, kind="stable")
        unsent: list[Datagram] = []
        for rows in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
            bound = self._sockets.bound[index[rows[0]]]
            payloads = [datagrams[row].payload for row in rows]
            sources = source_ip[rows] if bound.local < 0 else None
            done = self._sender.send(bound.socket.fileno(), ips[rows], ports[rows], payloads, sources)
            unsent += [datagrams[row] for row in rows[done:]]
        return unsent

    def settle_drops(self) -> None:
        """Count the drops that no later datagram has told of."""
        for bound in self._sockets.bound:
            self._counters.add("kernel_drops", bound.account(bound.kernel_drops()))
