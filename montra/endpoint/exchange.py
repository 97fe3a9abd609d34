"""Between the sockets of a plan and the machines: batches with local numbers in, datagrams with local numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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

    def receive(self, bound: BoundSocket, now_ns: int, offset_ns: int) -> tuple[DatagramBatch | None, bool]:
        """Return what waits at a socket, None if nothing for us does, and whether more may wait.

        `offset_ns`: wall clock minus the run's clock, to translate the kernel's receive times, which are wall clock.
        The batch's buffer is written again by the next call. Times of different sockets' batches may overlap.
        """
        received = self._receiver.receive(bound.socket.fileno())
        if received is None:
            return None, False
        self._counters.add("received", len(received))
        # the counter grows from row to row and is absent while it is 0
        drops = int(received.control.drops[-1])
        if drops >= 0:
            self._counters.add("kernel_drops", bound.account(drops))
        more = len(received) == self._receiver.rows
        batch = self._batch(bound, received, now_ns, offset_ns)
        ours = batch.local >= 0
        if not ours.all():
            batch = batch.select(np.flatnonzero(ours))
            self._counters.add("foreign_destination", len(received) - len(batch))
        self._counters.add("truncated", int(np.count_nonzero(batch.truncated)))
        return (batch if len(batch) else None), more

    def _batch(self, bound: BoundSocket, received: Received, now_ns: int, offset_ns: int) -> DatagramBatch:
        n = len(received)
        if bound.local < 0:
            local = self._plan.locals_of(received.control.destination_ip, np.full(n, bound.port, np.uint16))
        else:
            local = np.full(n, bound.local, np.int32)
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
