"""When each monitor speaks: introductions, keep-alives, and wishes for a view of its target.

All rows due at a tick are advanced together. A row's queries come in rounds:

    FIRST       two introductions (Mainline: 200 ms apart, libtorrent shows a peer at its second query; Kad: 2 s, the
                second carries the key that the reply to the first brought), then one or two more, seconds apart, until
                the target answers, queries us, or is seen handing us out
    AGAIN       the same pair without repeats: after a round without an answer, or when a view lacked us; put off to
                the end of the target's first minute or two if more introductions than it takes would fall into these
    KEEP_ALIVE  one query, every six minutes or so (Kad: fifty)

A round without an answer is a failure; the next round is AGAIN after a longer wait each time, and after a fixed number
of failures in a row the row is reported as silent. But if eight rounds in a row and all through two reply time-outs
nobody at all was heard, it is we who cannot hear: rounds are then put off and held against no target (blackout). All
queries of a round carry one transaction, so that a slow answer to the first still counts. What goes to one target,
answers included, is charged to its allowance of a packet a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters
from montra.monitors.settings import FleetSettings, check_introductions, nanoseconds
from montra.monitors.table import AGAIN, FIRST, HIDDEN, KEEP_ALIVE, LINGERING, VISIBLE, MonitorTable, Round
from montra.monitors.wheel import Rows, TimerWheel

_LATENESS_BINS = 60_000  # of a millisecond
_MILLISECOND = 1_000_000
_BLACKOUT_ROWS = 8  # too small a fleet may well be silent as a whole; as many rounds unanswered make a blackout
_MAX_DOUBLINGS = 6
_UTORRENT = int.from_bytes(b"UT", "big")


@dataclass(slots=True)
class Due:
    """Rows to act on: send an introduction, send a keep-alive, ask for a view, give up, take back after lingering."""

    introduce: Rows
    keep_alive: Rows
    probe: Rows
    silent: Rows
    over: Rows


class Timetable:
    """Timers and rounds of the rows of a table. `arm` must follow every change of a row's send_ns or probe_ns.

    most_early: introductions to a target in its first `early_s` seconds; raises ValueError if a first round has more.
    """

    def __init__(
        self, table: MonitorTable, settings: FleetSettings, rng: Random, counters: Counters, most_early: int
    ) -> None:
        check_introductions(settings, most_early)
        self._most_early = most_early
        self._table = table
        self._counters = counters
        self._rng = rng
        self._settings = settings
        self._wheel = TimerWheel(table.max_rows, nanoseconds(settings.tick_s))
        self._waits = np.array([nanoseconds(wait) for wait in settings.reintroduce_s], np.int64)
        self._second = nanoseconds(settings.second_introduction_s)
        self._repeat = nanoseconds(settings.repeat_s)
        self._timeout = nanoseconds(settings.reply_timeout_s)
        self._keep_alive = nanoseconds(settings.keep_alive_s)
        self._verify = nanoseconds(settings.verify_delay_s)
        self._view_every = nanoseconds(settings.view_every_s)
        self._early = nanoseconds(settings.early_s)
        self._gap = nanoseconds(settings.round_gap_s)
        self._quarantine = nanoseconds(settings.quarantine_s)
        self._linger = nanoseconds(settings.linger_s)
        self._packet = nanoseconds(settings.packet_interval_s)
        self._burst = self._packet * settings.packet_burst
        self._late = np.zeros(_LATENESS_BINS + 1, np.int64)  # keep-alives so many milliseconds late, rounded up
        self._heard_ns = 0  # last sign of life of any target
        self._unheard = 0  # rounds unanswered since then

    def next_ns(self) -> int:
        """Return when `fire` has something to do next, NEVER if no row waits for anything."""
        return self._wheel.next_ns()

    def keep_alive_lateness_s(self, share: float = 0.99) -> float:
        """Return the lateness in seconds, rounded up to a ms, that this share of all keep-alives did not exceed."""
        upto = np.cumsum(self._late)
        return int(np.searchsorted(upto, share * int(upto[-1]))) / 1e3

    def arm(self, now_ns: int, rows: Rows) -> None:
        """Set the timers of these (distinct) rows to the earlier of their query and their wish for a view."""
        self._wheel.schedule(now_ns, rows, np.minimum(self._table.send_ns[rows], self._table.probe_ns[rows]))

    def begin(self, now_ns: int, rows: Rows | int) -> None:
        """Start the first introduction of monitors just attached; `fire` it at once."""
        self._table.round[rows] = FIRST
        self._table.send_ns[rows] = now_ns

    def linger(self, now_ns: int, rows: Rows | int) -> None:
        """Let monitors that ended be given back after their time to linger."""
        self._table.send_ns[rows] = now_ns + self._linger

    def again(self, now_ns: int, row: int, failed: int) -> None:
        """Plan another introduction; `failed` = how often the last ones failed in a row, at least once."""
        self._plan_again(np.array([row]), np.array([now_ns + self._wait(failed)], np.int64))

    def ask(self, now_ns: int, row: int) -> None:
        """Let the next keep-alive come at once, or as soon as the target takes one: its reply tells whether the node is
        there, and under which ID.
        """
        self._plan(row, KEEP_ALIVE, max(now_ns, int(self._table.round_ns[row]) + self._gap))

    def doubt(self, now_ns: int, row: int) -> None:
        """The crawl lost the target: ask it ourselves at once, and let one more unanswered round be the last.

        A further introduction that waits for its time, up to a quarter of an hour, gives way to the question: nothing
        else would tell for so long that a target which hides its monitor is gone. If it answers, `heard` plans it anew.
        """
        table = self._table
        table.doubted[row] = True
        table.failures[row] = self._settings.max_failures - 1
        if table.step[row] == 0 and table.round[row] != FIRST:
            self.ask(now_ns, row)

    def heard(self, now_ns: int, row: int) -> None:
        """Note a sign of life from the target: whatever waited for one slows down to keep-alives."""
        table = self._table
        table.heard_ns[row] = now_ns
        table.failures[row] = 0
        table.doubted[row] = False
        self._heard_ns, self._unheard = now_ns, 0
        step, kind = int(table.step[row]), int(table.round[row])
        if step == 0:
            # Waiting to begin a round. A keep-alive comes at its time; an introduction is still wanted if it is for
            # the sake of being handed out, not if it was because nothing was heard.
            if kind == AGAIN and table.state[row] != HIDDEN:
                self._plan(row, KEEP_ALIVE, now_ns + self._interval())
        elif kind == KEEP_ALIVE and table.state[row] == HIDDEN and table.judged[row]:
            # In the place of an introduction, see `doubt`: that follows when it would have come, by the last one.
            planned_ns = int(table.sent_ns[row]) + self._wait(int(table.unseen[row]))
            self._plan_again(np.array([row]), np.array([max(now_ns, planned_ns)], np.int64))
        elif step >= 2 or kind == KEEP_ALIVE:
            self._plan(row, KEEP_ALIVE, now_ns + self._interval())
        # else: the second introduction of a pair follows in any case.

    def accepted(self, now_ns: int, row: int) -> None:
        """Plan the first look whether the target hands the monitor out (after the pair, if that is not complete)."""
        if self._table.step[row] != 1 or self._table.round[row] == KEEP_ALIVE:
            self._look(now_ns, np.array([row]))

    def shown(self, now_ns: int, row: int) -> None:
        """Note that the target hands the monitor out: introductions end.

        Keep-alives go on from the last round, lest a target that shows and hides us by turns hear nothing at all.
        """
        if self._table.round[row] != KEEP_ALIVE and self._table.step[row] != 1:
            self._plan(row, KEEP_ALIVE, max(now_ns, int(self._table.round_ns[row]) + self._interval()))

    def viewed(self, now_ns: int, row: int) -> None:
        """Note that a view of the target came: the next one is asked for only if the crawl brings none for long."""
        table = self._table
        table.probes[row] = 0
        table.probing[row] = False
        if table.judged[row] or table.state[row] == VISIBLE:
            table.probe_ns[row] = now_ns + self._view_every

    def allows(self, now_ns: int, row: int) -> bool:
        """Tell whether one more packet may pass between target and monitor now, and charge it if so."""
        used = max(int(self._table.allowed_ns[row]), now_ns) + self._packet
        if used - now_ns > self._burst:
            return False
        self._table.allowed_ns[row] = used
        return True

    def verifiable(self, now_ns: int, row: int) -> bool:
        """Tell whether a view without the monitor says that its last introduction failed."""
        table = self._table
        soon = int(self._soonest(np.array([row]))[0])
        return not table.judged[row] and now_ns >= max(soon, int(table.sent_ns[row]) + self._verify)

    def patient(self, now_ns: int, row: int) -> bool:
        """Tell whether the target had time enough to hand the monitor out."""
        return now_ns >= int(self._table.introduced_ns[row]) + self._quarantine

    def fire(self, now_ns: int, fresh: Rows) -> Due:
        """Advance all rows whose timer is due, and those `fresh` ones that have none yet."""
        table = self._table
        rows = np.concatenate([self._wheel.drain(now_ns), fresh])
        if not len(rows):
            return Due(rows, rows, rows, rows, rows)
        ended = table.state[rows] == LINGERING
        over, rows = rows[ended], rows[~ended]
        probe = rows[table.probe_ns[rows] <= now_ns]
        table.probe_ns[probe] = now_ns + (self._view_every << table.probes[probe].astype(np.int64))
        table.probes[probe] = np.minimum(table.probes[probe] + 1, _MAX_DOUBLINGS)
        introduce, keep_alive, silent = self._speak(now_ns, rows[table.send_ns[rows] <= now_ns])
        self.arm(now_ns, rows)
        return Due(introduce, keep_alive, probe, silent, over)

    def _speak(self, now_ns: int, rows: Rows) -> tuple[Rows, Rows, Rows]:
        """Advance rounds by one step; returns the rows to introduce, to keep alive, and those silent for too long."""
        table = self._table
        kind, step = table.round[rows], table.step[rows]
        keep, first = kind == KEEP_ALIVE, kind == FIRST
        queries = np.where(keep, 1, np.where(first, 2 + self._settings.repeats, 2))
        unanswered = step >= queries
        self._begin_round(now_ns, rows[step == 0])

        since = table.round_ns[rows]
        visible = table.state[rows] == VISIBLE
        shown = visible & (table.visible_ns[rows] >= since)
        good = (table.heard_ns[rows] >= since) | shown
        second = ~keep & (step == 1)
        send = ~unanswered & ~(second & shown)  # who hands us out already needs no second introduction

        lateness = now_ns - table.send_ns[rows[keep & send]]
        np.add.at(self._late, np.minimum(-(-lateness // _MILLISECOND), _LATENESS_BINS), 1)

        table.step[rows[~unanswered]] += 1
        last = step + 1 == queries
        wait = np.where(
            step == 0, np.where(keep, self._timeout, self._second), np.where(last, self._timeout, self._repeat)
        )
        next_ns = np.where(second & first & ~last, since + self._repeat, now_ns + wait)
        table.send_ns[rows] = next_ns
        calm = rows[second & good]
        self._plan(calm, KEEP_ALIVE, now_ns + np.array([self._interval() for _ in calm], np.int64))
        self._look(now_ns, rows[second & (table.accepted_ns[rows] > 0)])

        introduce, keep_alive = rows[send & ~keep], rows[send & keep]
        self._sent(now_ns, introduce)
        self._sent(now_ns, keep_alive)
        table.sent_ns[introduce] = now_ns
        table.judged[introduce] = False
        table.introductions[introduce] = np.minimum(table.introductions[introduce], 254) + 1
        return introduce, keep_alive, self._failed(now_ns, rows[unanswered])

    def _failed(self, now_ns: int, rows: Rows) -> Rows:
        """Count a round without an answer; returns the rows that had too many."""
        known = self._table.heard_ns[rows] > 0
        if known.any() and self._blackout(now_ns, int(np.count_nonzero(known))):
            unheard, rows = rows[known], rows[~known]
            self._counters.add("blackout", len(unheard))
            intervals = np.array([self._interval() for _ in unheard], np.int64)
            self._plan_again(unheard, now_ns + intervals)
        failures = self._table.failures[rows] + 1
        self._table.failures[rows] = failures
        silent = failures >= self._settings.max_failures
        retry = rows[~silent]
        waits = self._waits[np.minimum(failures[~silent], len(self._waits)) - 1]
        self._plan_again(retry, now_ns + waits)
        return rows[silent]

    def _blackout(self, now_ns: int, rounds: int) -> bool:
        """Tell, these rounds being unanswered too, whether it is all targets that we do not hear."""
        self._unheard += rounds
        return (
            self._unheard >= _BLACKOUT_ROWS
            and now_ns >= self._heard_ns + 2 * self._timeout
            and len(self._table.attached()) >= _BLACKOUT_ROWS
        )

    def _soonest(self, rows: Rows) -> NDArray[np.int64]:
        """Return before when a view of these targets proves nothing, 0 for most: uTorrent's quarantine."""
        quarantined = self._table.version[rows] >> 16 == _UTORRENT
        return np.where(quarantined, self._table.introduced_ns[rows] + self._quarantine, 0)

    def _look(self, now_ns: int, rows: Rows) -> None:
        """Plan a look whether these targets hand their monitors out."""
        self._table.probe_ns[rows] = np.maximum(now_ns + self._verify, self._soonest(rows))

    def _begin_round(self, now_ns: int, rows: Rows) -> None:
        table = self._table
        drawn = self._rng.getrandbits(32 * len(rows)).to_bytes(4 * len(rows), "big") if len(rows) else b""
        table.transaction[rows] = np.frombuffer(drawn, ">u4")
        table.outstanding[rows] = 0
        table.round_ns[rows] = now_ns

    def _sent(self, now_ns: int, rows: Rows) -> None:
        table = self._table
        table.outstanding[rows] += 1
        table.allowed_ns[rows] = np.maximum(table.allowed_ns[rows], now_ns) + self._packet

    def _wait(self, failed: int) -> int:
        """Return how long the next introduction waits after so many that failed in a row, at least one."""
        return int(self._waits[min(failed, len(self._waits)) - 1])

    def _interval(self) -> int:
        """Draw the time to the next keep-alive."""
        jitter = self._settings.keep_alive_jitter * (2 * self._rng.random() - 1)
        return int(self._keep_alive * (1 + jitter))

    def _plan_again(self, rows: Rows, send_ns: NDArray[np.int64]) -> None:
        """Let another introduction begin at a time, or later if the target's first minutes have had enough of them."""
        table = self._table
        full = table.introductions[rows] > self._most_early - 2
        self._plan(rows, AGAIN, np.where(full, np.maximum(send_ns, table.introduced_ns[rows] + self._early), send_ns))

    def _plan(self, rows: Rows | int, kind: Round, send_ns: NDArray[np.int64] | int) -> None:
        """Let a round of this kind begin at a time."""
        self._table.round[rows] = kind
        self._table.step[rows] = 0
        self._table.send_ns[rows] = send_ns
