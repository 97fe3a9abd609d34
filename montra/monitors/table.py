"""The fleet's memory: one row for each monitor, one numpy column for each thing known of it.

Columns have room for every row from the start, but the kernel gives memory only to the pages written to, so nothing is
ever copied to grow, which would hold up the loop. Rows given back are used again before new ones. A monitor's own ID is
not stored: it is its target's with the last bit flipped, the closest ID there is to the target's own.
"""

from __future__ import annotations

from array import array
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from montra.monitors.wheel import NEVER, Rows


class State(IntEnum):
    """Where a monitor stands with its target."""

    IDLE = 0  # row without a monitor
    INTRODUCED = 1  # introduction sent, nothing heard
    ACCEPTED = 2  # the target answered or queried us
    VISIBLE = 3  # the target hands the monitor out
    HIDDEN = 4  # accepted, yet not handed out when looked at
    LINGERING = 5  # ended: still listening for late copies, silent to everybody


class Round(IntEnum):
    """What the row's send timer is about."""

    FIRST = 0  # the attachment's first introduction: a pair and its repeats
    AGAIN = 1  # a later introduction: a pair
    KEEP_ALIVE = 2


# Their names by themselves: looking one up in its class takes Python 3.11 a microsecond, and packets are many.
IDLE, INTRODUCED, ACCEPTED, VISIBLE, HIDDEN, LINGERING = State
FIRST, AGAIN, KEEP_ALIVE = Round

#: Why an attachment ended, by the code in the `reason` column; "" while it lasts.
REASONS = ("", "silent", "changed_id", "moved", "gone", "sealed")

_COLUMNS: tuple[tuple[str, type[np.generic]], ...] = (
    ("state", np.uint8),
    ("round", np.uint8),
    ("step", np.uint8),
    ("outstanding", np.uint8),
    ("failures", np.uint8),
    ("unseen", np.uint8),
    ("absent", np.uint8),
    ("moves", np.uint8),
    ("changes", np.uint8),
    ("probes", np.uint8),
    ("introductions", np.uint8),
    ("reason", np.uint8),
    ("judged", np.bool_),
    ("status", np.uint8),
    ("probing", np.bool_),
    ("doubted", np.bool_),
    ("proved", np.bool_),
    ("changed", np.bool_),
    ("target_port", np.uint16),
    ("local", np.int32),
    ("number", np.uint32),
    ("target_ip", np.uint32),
    ("version", np.uint32),
    ("peer_key", np.uint32),
    ("transaction", np.uint32),
    ("found_ns", np.int64),
    ("introduced_ns", np.int64),
    ("accepted_ns", np.int64),
    ("visible_ns", np.int64),
    ("absent_ns", np.int64),
    ("lost_ns", np.int64),
    ("heard_ns", np.int64),
    ("seen_ns", np.int64),
    ("round_ns", np.int64),
    ("sent_ns", np.int64),
    ("allowed_ns", np.int64),
    ("send_ns", np.int64),
    ("probe_ns", np.int64),
    ("wanted_ns", np.int64),
)


def beside(target_id: bytes) -> bytes:
    """Return the ID of a target's monitor: the target's, its last bit flipped."""
    return target_id[:-1] + bytes((target_id[-1] ^ 1,))


class MonitorTable:
    """Columns of monitors; times in nanoseconds, 0 = has not happened, NEVER = no timer.

    max_rows: length of every column; rows: those ever used, which come first.

    target_id uint8[rows, L]; target_ip/target_port; local: index of the monitor's own address; number: the
    attachment's; version: the target's `v` as a number; status: what it says of its reachability. peer_key: the
    target's key for the monitor's address, 0 for none known; proved: it once showed our key for its own, so that who
    does not is not believed (in a DHT without such keys every message counts as proved). introductions: sent so far,
    255 at most. round, step: place in the timetable, begun at round_ns, last introduction at sent_ns; send_ns,
    probe_ns: next query, next wish for a view; transaction, outstanding: of the queries sent in this round, and how
    many of them are unanswered. failures: rounds unanswered in a row; unseen: verifications failed in a row; judged:
    the last introduction's success was looked at; absent, absent_ns: views without us since the last one with us, and
    the first of them; probing, wanted_ns, probes: a view is wanted, since when, asked for so often in vain; heard_ns,
    seen_ns: last sign of life to us, to the crawler; allowed_ns: when the target's packet allowance is whole again;
    moves, changes: addresses tried before, ID changes seen; doubted: the crawl lost the target since it last answered
    anybody; changed: not yet reported.
    """

    state: NDArray[np.uint8]
    round: NDArray[np.uint8]
    step: NDArray[np.uint8]
    outstanding: NDArray[np.uint8]
    failures: NDArray[np.uint8]
    unseen: NDArray[np.uint8]
    absent: NDArray[np.uint8]
    moves: NDArray[np.uint8]
    changes: NDArray[np.uint8]
    probes: NDArray[np.uint8]
    introductions: NDArray[np.uint8]
    reason: NDArray[np.uint8]
    judged: NDArray[np.bool_]
    status: NDArray[np.uint8]
    probing: NDArray[np.bool_]
    doubted: NDArray[np.bool_]
    proved: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    target_port: NDArray[np.uint16]
    local: NDArray[np.int32]
    number: NDArray[np.uint32]
    target_ip: NDArray[np.uint32]
    version: NDArray[np.uint32]
    peer_key: NDArray[np.uint32]
    transaction: NDArray[np.uint32]
    found_ns: NDArray[np.int64]
    introduced_ns: NDArray[np.int64]
    accepted_ns: NDArray[np.int64]
    visible_ns: NDArray[np.int64]
    absent_ns: NDArray[np.int64]
    lost_ns: NDArray[np.int64]
    heard_ns: NDArray[np.int64]
    seen_ns: NDArray[np.int64]
    round_ns: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    allowed_ns: NDArray[np.int64]
    send_ns: NDArray[np.int64]
    probe_ns: NDArray[np.int64]
    wanted_ns: NDArray[np.int64]
    target_id: NDArray[np.uint8]

    def __init__(self, id_bytes: int, max_rows: int) -> None:
        self.max_rows = max_rows
        self.rows = 0
        for name, dtype in _COLUMNS:
            setattr(self, name, np.zeros(max_rows, dtype))
        self.target_id = np.zeros((max_rows, id_bytes), np.uint8)
        self._idle = array("i")  # rows given back

    def take(self, n: int) -> Rows:
        """Return n idle rows, all their columns zero and their timers NEVER; raises IndexError without so many."""
        if n > self.room:
            raise IndexError(f"{n} rows wanted, {self.room} left")
        again = min(n, len(self._idle))
        used = np.array([self._idle.pop() for _ in range(again)], np.intp)
        for name, _ in _COLUMNS:
            getattr(self, name)[used] = 0
        rows: Rows = np.concatenate([used, np.arange(self.rows, self.rows + n - again)])
        self.rows += n - again
        self.send_ns[rows] = self.probe_ns[rows] = NEVER
        return rows

    def give_back(self, row: int) -> None:
        """Return a row to the idle ones."""
        self.state[row] = IDLE
        self._idle.append(row)

    @property
    def room(self) -> int:
        """Rows without a monitor."""
        return self.max_rows - self.rows + len(self._idle)

    def attached(self) -> Rows:
        """Return the rows whose attachment lasts, ascending."""
        state = self.state[: self.rows]
        return np.flatnonzero((state != IDLE) & (state != LINGERING))

    @property
    def nbytes(self) -> int:
        """Bytes of one row."""
        return sum(np.dtype(dtype).itemsize for _, dtype in _COLUMNS) + int(self.target_id.shape[1])

    def target(self, row: int) -> bytes:
        """Return the target's ID."""
        return bytes(self.target_id[row])

    def monitors(self, rows: Rows) -> NDArray[np.uint8]:
        """Return the monitors' own IDs, uint8[len(rows), L]."""
        ids = self.target_id[rows]
        ids[:, -1] ^= 1
        return ids

    def monitor(self, row: int) -> bytes:
        """Return the monitor's own ID."""
        return beside(self.target(row))
