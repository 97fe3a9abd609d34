"""From the kernel to the machines: datagrams in batches, with local numbers, from the sockets of a plan or a ring."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import SLOT_BYTES, SLOT_STEP, Counters, DatagramBatch
from montra.endpoint.frames import Arrivals, gather, read_frames
from montra.endpoint.mmsg import Received, Receiver, errno_name
from montra.endpoint.plan import AddressPlan
from montra.endpoint.ring import PacketRing
from montra.endpoint.sockets import BoundSocket, Sockets

#: A kernel receive time further back than this is the trace of a wall-clock step, not of a wait in the kernel.
_LONGEST_WAIT_NS = 10_000_000_000
#: How often the kernel is asked what the sockets that were read have dropped.
_ASK_DROPS_NS = 1_000_000_000
#: Receive buffer that a short datagram takes is about 770 of the bytes counted twice by the kernel; with some room.
_BYTES_QUEUED = 1024
#: Datagrams of up to so many bytes, which all lookups are, are copied out of a ring together.
_SHORT_BYTES = 256


class Intake(Protocol):
    """What the driver reads from. Counters: received, foreign_destination (sent to an address of this host that is not
    in the plan), truncated, kernel_drops, receive_<errno>.

    rest_below: after a wake that brought fewer datagrams it may rest, since what comes meanwhile will find room.
    """

    rest_below: int

    def descriptors(self) -> list[int]:
        """Return what becomes readable when something arrives."""
        ...

    def wake(self, ready: Iterable[int]) -> None:
        """Note which descriptors are readable."""
        ...

    @property
    def more(self) -> bool:
        """Whether more may wait: the last read did not come to the end."""
        ...

    def receive(self, now_ns: int, offset_ns: int) -> list[DatagramBatch]:
        """Return what waits; no batch is empty, or valid after the next call.

        `offset_ns`: wall clock minus the run's clock, to translate the kernel's receive times, which are wall clock.
        """
        ...

    def settle_drops(self) -> None:
        """Count what the kernel has dropped up to now."""
        ...


def open_intake(plan: AddressPlan, sockets: Sockets, rows: int, counters: Counters) -> Intake:
    """Return what reads the datagrams of a plan: its sockets, or their ring if they have one."""
    if sockets.ring is not None:
        return RingIntake(plan, sockets.ring, rows, counters)
    return SocketIntake(plan, sockets, rows, counters)


class SocketIntake:
    """Reads sockets in turn, as many as are readable, into one batch with a preallocated buffer."""

    def __init__(self, plan: AddressPlan, sockets: Sockets, rows: int, counters: Counters) -> None:
        # so many take less than half of one receive buffer, and the next rest brings about as many as this one
        self.rest_below = max(1, min(rows, sockets.receive_buffer_bytes // _BYTES_QUEUED))
        self._plan = plan
        self._sockets = sockets
        self._bound = {bound.socket.fileno(): bound for bound in sockets.bound}
        self._counters = counters
        self._receiver = Receiver(rows, counters)
        self._left: list[BoundSocket] = []  # not read to their end, in order of their turn
        self._read: set[BoundSocket] = set()  # since the kernel was last asked for their drops
        self._asked_ns = 0

    def descriptors(self) -> list[int]:
        """Return the sockets' descriptors."""
        return list(self._bound)

    def wake(self, ready: Iterable[int]) -> None:
        """Let these sockets have their turn behind those not read to their end yet."""
        # who waits since the last wake comes first, or sockets beyond what one wake can read would never have a turn
        self._left = list(dict.fromkeys([*self._left, *(self._bound[fd] for fd in ready)]))

    @property
    def more(self) -> bool:
        """Whether sockets are left."""
        return bool(self._left)

    def receive(self, now_ns: int, offset_ns: int) -> list[DatagramBatch]:
        """Return one batch of what waits, or none."""
        batch, self._left = self.read(self._left, now_ns, offset_ns)
        if now_ns - self._asked_ns >= _ASK_DROPS_NS:
            self._asked_ns = now_ns
            self._ask_drops(self._read)
            self._read.clear()
        return [] if batch is None else [batch]

    def read(
        self, ready: Sequence[BoundSocket], now_ns: int, offset_ns: int
    ) -> tuple[DatagramBatch | None, list[BoundSocket]]:
        """Return what waits at these sockets, None if nothing for us does, and the sockets where more may wait.

        The latter stand in the order in which it is their turn: whoever filled the batch comes last.
        The batch's buffer is written again by the next call. Times of different sockets' datagrams may overlap.
        """
        rows = self._receiver.rows
        received = self._receiver.receive(*(bound.socket.fileno() for bound in ready[:rows]))
        if received is None:
            return None, list(ready[rows:])
        asked = ready[: len(received.counts)]
        self._read.update(asked)
        left = [*ready[len(asked) :], *(asked[-1:] if len(received) == rows else ())]
        return _ours(self._batch(asked, received, now_ns, offset_ns), self._counters), left

    def settle_drops(self) -> None:
        """Ask all sockets: a socket's last drops are followed by no datagram that would bring it to our notice."""
        self._ask_drops(self._sockets.bound)

    def _ask_drops(self, asked: Iterable[BoundSocket]) -> None:
        for bound in asked:
            self._counters.add("kernel_drops", bound.account(bound.kernel_drops()))

    def _batch(self, asked: Sequence[BoundSocket], received: Received, now_ns: int, offset_ns: int) -> DatagramBatch:
        counts = np.array(received.counts, np.intp)
        local = np.repeat(np.array([bound.local for bound in asked], np.int32), counts)
        shared = local < 0
        if shared.any():
            port = np.repeat(np.array([bound.port for bound in asked], np.uint16), counts)
            local = np.where(shared, self._plan.locals_of(received.control.destination_ip, port), local)
        return DatagramBatch(
            received.buffer,
            received.length,
            received.truncated,
            received.source_ip,
            received.source_port,
            local,
            _arrival(received.control.wall_ns, now_ns, offset_ns),
        )


class RingIntake:
    """Reads the frames of a packet ring and gives them back at once: what is kept of them is copied.

    Further counters: what `frames.read_frames` counts, and ring_cut, datagrams lost because a piece of several was
    larger than a frame. kernel_drops are packets: a piece of several datagrams counts once.
    """

    def __init__(self, plan: AddressPlan, ring: PacketRing, rows: int, counters: Counters) -> None:
        self.rest_below = max(rows, ring.frames // 8)
        self._rows = rows
        self._plan = plan
        self._ring = ring
        self._counters = counters
        self._more = False

    def descriptors(self) -> list[int]:
        """Return the ring's descriptor."""
        return [self._ring.socket.fileno()]

    def wake(self, ready: Iterable[int]) -> None:
        """Note that the ring is readable, if it is."""
        self._more = self._more or bool(list(ready))

    @property
    def more(self) -> bool:
        """Whether frames may be left."""
        return self._more

    def receive(self, now_ns: int, offset_ns: int) -> list[DatagramBatch]:
        """Return the short datagrams of the waiting frames as one batch and the long ones, if any, as another."""
        ring = self._ring
        frames = ring.waiting(self._rows)
        found = frames.stop - frames.start
        # the end of the ring cuts a read short as well
        self._more = found == self._rows or (found > 0 and frames.stop == ring.frames)
        if not found:
            error = ring.pending_error()
            if error:
                self._counters.add(f"receive_{errno_name(error)}")
            return []
        arrivals, losing = read_frames(ring.flat, frames, self._counters)
        batches = self._batches(arrivals, now_ns, offset_ns) if len(arrivals) else []
        ring.give_back(frames)
        if losing:
            self.settle_drops()
        return batches

    def settle_drops(self) -> None:
        """Ask the kernel how many packets found no free frame."""
        self._counters.add("kernel_drops", self._ring.drops())

    def _batches(self, arrivals: Arrivals, now_ns: int, offset_ns: int) -> list[DatagramBatch]:
        cut = (arrivals.kept < arrivals.length) & (arrivals.kept < SLOT_BYTES)
        if cut.any():
            self._counters.add("ring_cut", int(np.count_nonzero(cut)))
            arrivals = arrivals.take(~cut)
        short = arrivals.length <= _SHORT_BYTES
        if short.all():
            parts = [self._batch(arrivals, now_ns, offset_ns)]
        else:
            parts = [self._batch(arrivals.take(rows), now_ns, offset_ns) for rows in (short, ~short) if rows.any()]
        return [batch for batch in parts if batch is not None]

    def _batch(self, arrivals: Arrivals, now_ns: int, offset_ns: int) -> DatagramBatch | None:
        if not len(arrivals):
            return None
        length = np.minimum(arrivals.length, SLOT_BYTES)
        width = max(1, -(-int(length.max()) // SLOT_STEP)) * SLOT_STEP
        return _ours(
            DatagramBatch(
                gather(self._ring.flat, arrivals.at, width),
                length,
                arrivals.length > SLOT_BYTES,
                arrivals.source_ip,
                arrivals.source_port,
                self._plan.locals_of(arrivals.destination_ip, arrivals.destination_port),
                _arrival(arrivals.wall_ns, now_ns, offset_ns),
            ),
            self._counters,
        )


def _arrival(wall_ns: NDArray[np.int64], now_ns: int, offset_ns: int) -> NDArray[np.int64]:
    arrival = np.clip(wall_ns - offset_ns, now_ns - _LONGEST_WAIT_NS, now_ns)
    arrival[wall_ns == 0] = now_ns
    return arrival


def _ours(batch: DatagramBatch, counters: Counters) -> DatagramBatch | None:
    """Count a batch, and leave out what is not for an address of the plan."""
    counters.add("received", len(batch))
    ours = batch.local >= 0
    if not ours.all():
        counters.add("foreign_destination", len(batch) - int(np.count_nonzero(ours)))
        batch = batch.select(np.flatnonzero(ours))
    counters.add("truncated", int(np.count_nonzero(batch.truncated)))
    return batch if len(batch) else None
