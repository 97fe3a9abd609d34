"""The fleet: monitors attached to all targets of a zone, as one sans-I/O machine.

The crawl says who is there (`found`, `changed`, `gone`) and what they hand out (`own_view`); the endpoint hands in
what arrived (`feed`) and calls `tick` when `due`. The parts decide: admission, who gets a monitor; timetable, when
each speaks; dialogue, what it answers to its own target; visibility, whether it is handed out; strangers, who else gets
a reply. Lookups of strangers become captures, and are replied to, by array operations alone.

Counters. Nodes: found, own_address, bad_address, outside_zone, unstable_id, waiting_full, sybil; in a thin fleet also
bare, promoted, bare_full; refused for now, they wait: max_monitors, pool_exhausted; forgotten: silent_forgotten.
Received: captured, captured_from_target, late (of those: for a monitor that lingers), idle_local (no monitor there),
stranger_other, late_target, target_limited, malformed_*, unmatched_reply, foreign_id_query, unproved_reply,
unproved_query, replies, error_replies, target_queries (not answered), answered_queries. Sent: introductions, greetings,
keep_alives, and see `strangers`. Life: attached, accepted, visible_by_reply, visible_by_view, not_visible, dropped,
visible_gaps_merged, probes, no_other_address, blackout (rounds held against nobody), gone_ignored, and how attachments
ended: changed_id, moved, silent, gone, sealed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import merge
from random import Random

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, Datagram, DatagramBatch
from montra.monitors.admission import Admission, Region
from montra.monitors.capture import capture
from montra.monitors.dialogue import Dialogue
from montra.monitors.nearness import Nearness
from montra.monitors.pool import AddressPool
from montra.monitors.probes import Probes
from montra.monitors.roster import Roster, Target
from montra.monitors.settings import FleetSettings, nanoseconds, settings_of
from montra.monitors.strangers import Strangers
from montra.monitors.table import IDLE, LINGERING, State, beside
from montra.monitors.thinning import Thinning
from montra.monitors.timetable import Timetable
from montra.monitors.visibility import Visibility
from montra.monitors.wheel import Rows
from montra.overlays.base import Courtesy, Overlay, Peer, Scan, version_number
from zone_store.captures import Attachment, Captures, Kind
from zone_store.contents import Content


@dataclass(slots=True)
class FleetOutput:
    """What a batch brought: answers to send, lookups to keep, and what was said of content IDs."""

    outgoing: list[Datagram]
    captures: Captures
    contents: list[Content] = field(default_factory=list)


class Fleet:
    """All monitors of one window. Every method takes the time; nothing is sent but what `feed` and `tick` return.

    expected: IDs of targets that had a monitor in a fleet which this one replaces; a thin fleet gives them one again.
    """

    def __init__(
        self,
        overlay: Overlay,
        zone: Region,
        pool: AddressPool,
        rng: Random,
        settings: FleetSettings | None = None,
        courtesy: Courtesy | None = None,
        expected: Iterable[bytes] = (),
    ) -> None:
        self.settings = settings or settings_of(overlay)
        self.counters = Counters()
        self._overlay = overlay
        self._zone = zone
        self._pool = pool
        self._roster = Roster(pool, overlay.id_bytes, self.settings, self.counters)
        table, most_early = self._roster.table, overlay.most_introductions
        self._timetable = Timetable(table, self.settings, rng, self.counters, most_early)
        self._probes = Probes(self._roster.table, self.settings.max_probes_per_s)
        self._visibility = Visibility(self._roster, self._timetable, self.settings, self.counters)
        self._dialogue = Dialogue(overlay, self._roster, self._timetable, self._visibility, self.counters)
        every, known = self.settings.every, self.settings.every * self.settings.max_monitors
        patience_ns = nanoseconds(self.settings.patience_s)
        thinning = Thinning(every, known, self._roster.next_number, expected, patience_ns) if every > 1 else None
        self._thinning = thinning
        nearness = Nearness(self._known)
        self._strangers = Strangers(overlay, courtesy, pool, nearness, self.counters) if courtesy is not None else None
        self._admission = Admission(zone, pool, self.settings, self.counters, self._thinning)
        self._waiting = self._admission.waiting

    # What the crawl says

    def found(self, now_ns: int, node_id: bytes, ip: int, port: int, version: bytes = b"") -> None:
        """A node of the zone answers at this address: it will get a monitor, unless it is excluded (counted)."""
        row = self._roster.row_of(ip, port)
        if row < 0:
            target = Target(node_id, ip, port, version_number(version), now_ns)
            self._admission.meet(now_ns, target)
        elif self._roster.table.target(row) != node_id:
            self._change(now_ns, row, node_id)

    def changed(self, now_ns: int, old_id: bytes, node_id: bytes, ip: int, port: int, in_zone: bool) -> None:
        """The node at this address answers under another ID: its monitor ends; another begins if it is in the zone."""
        if in_zone:
            self.found(now_ns, node_id, ip, port)
            return
        row = self._roster.row_of(ip, port)
        if row >= 0 and self._roster.table.target(row) == old_id:
            self._end(now_ns, row, "changed_id")
        self._admission.forget(now_ns, ip, port, "changed_id", old_id)

    def gone(self, now_ns: int, node_id: bytes, ip: int, port: int) -> None:
        """The crawl lost this node: its monitor ends, unless the node spoke to it lately and it can ask for itself."""
        row = self._roster.row_of(ip, port)
        if row >= 0 and self._roster.table.target(row) == node_id:
            heard_ns = int(self._roster.table.heard_ns[row])
            if heard_ns and now_ns - heard_ns < 1.5 * nanoseconds(self.settings.keep_alive_s):
                self.counters.add("gone_ignored")
                self._timetable.doubt(now_ns, row)
                self._timetable.arm(now_ns, np.array([row]))
                return
            self._end(now_ns, row, "gone")
        self._admission.forget(now_ns, ip, port, "gone", node_id)

    def own_view(
        self, now_ns: int, ip: int, port: int, own: tuple[tuple[bytes, int, int], ...], node_id: bytes = b""
    ) -> None:
        """A node told the crawler whom it hands out near its own ID; `own` are our contacts (ID, ip, port) in it.

        Given its ID, it gets a monitor if it has none and does not wait for one yet.
        """
        row = self._roster.row_of(ip, port)
        if row < 0:
            known = self._roster if self._thinning is None else self._thinning
            if known.at_ip(ip) < self.settings.max_ids_per_ip:
                self._admission.seen(now_ns, node_id, ip, port)
            return
        move = self._visibility.view(now_ns, row, own)
        self._admission.judge(now_ns, ip, port, self._visibility.hides(now_ns, row))
        if move:
            self._move(now_ns, row)

    # What the endpoint says

    def feed(self, now_ns: int, batch: DatagramBatch, scan: Scan) -> FleetOutput:
        """Take in what arrived at the monitors' addresses; returns what to say to targets, and to strangers at most."""
        table = self._roster.table
        rows = self._roster.rows_at(batch.local)
        held = rows >= 0  # elsewhere the row is -1, and what the table says of that is not used
        from_target = held & (table.target_ip[rows] == batch.source_ip) & (table.target_port[rows] == batch.source_port)
        lookup = held & (scan.kind != Kind.OTHER)
        stranger = held & ~lookup & ~from_target
        malformed = [reason for row, reason in scan.malformed.items() if stranger[row]]
        kept = np.flatnonzero(lookup)
        for name, which in (
            ("captured", lookup),
            ("captured_from_target", lookup & from_target),
            ("late", lookup & (table.state[rows] == LINGERING)),
            ("idle_local", ~held),
        ):
            self.counters.add(name, int(np.count_nonzero(which)))
        self.counters.merge((f"malformed_{reason}", n) for reason, n in Counter(malformed).items())
        captures = capture(batch, scan, kept, table.number[rows[kept]], from_target[kept])
        heard = np.flatnonzero(from_target)
        outgoing = self._converse(now_ns, batch, rows, heard) if len(heard) else []
        contents: list[Content] = []
        other = int(np.count_nonzero(stranger)) - len(malformed)
        if self._strangers is not None:
            if len(asked := np.flatnonzero(lookup & ~from_target)):
                asked = self._strangers.wanted(batch, scan, asked)
                outgoing += self._strangers.answer(now_ns, batch, scan, asked, table.monitors(rows[asked]))
            if len(said := np.flatnonzero(stranger)):
                contents, about = self._strangers.contents(now_ns, batch, said, table.number[rows[said]])
                other -= about
        self.counters.add("stranger_other", other)
        return FleetOutput(outgoing, captures, contents)

    def tick(self, now_ns: int) -> list[Datagram]:
        """Attach waiting targets and do what is due; returns introductions and keep-alives to send."""
        self._admission.tick(now_ns)
        fresh = self._attach(now_ns)
        due = self._timetable.fire(now_ns, fresh)
        for row in due.over.tolist():
            self._roster.give_back(row)
        if len(due.over):
            self._waiting.unblock()
        self._probes.want(now_ns, due.probe)
        self._probes.grant(now_ns)
        outgoing = self._send(now_ns, due.introduce, introduce=True) + self._send(
            now_ns, due.keep_alive, introduce=False
        )
        for row in due.silent.tolist():
            self._give_up(now_ns, row)
        return outgoing

    def due(self, now_ns: int) -> int:
        """Return when `tick` has something to do next (perhaps now, never before), 2**63 - 1 for never."""
        return max(now_ns, min(self._timetable.next_ns(), self._admission.due_ns(), self._probes.due_ns()))

    # What others ask

    def take_changed(self) -> list[Attachment]:
        """Return the attachments whose stored row changed since the last call; to be called every few seconds.

        Those of bare targets (no monitor: address and port 0) are among them.
        """
        changed = self._roster.take_changed()
        if self._thinning is not None:
            changed = sorted([*changed, *self._thinning.take_changed()], key=lambda attachment: attachment.number)
        return changed

    def take_probes(self) -> list[tuple[int, int, bytes]]:
        """Return the targets (ip, port, node ID) that the crawler should ask for a view now; after each `tick`."""
        table = self._roster.table
        rows = self._probes.take()
        self.counters.add("probes", len(rows))
        return [(int(table.target_ip[row]), int(table.target_port[row]), table.target(row)) for row in rows.tolist()]

    def seal(self, now_ns: int) -> Iterator[Attachment]:
        """End every attachment ("sealed"); yields these and all others not yet taken. The fleet is over then."""
        self._waiting.clear()
        rows, attachments = self._roster.end_all(now_ns, "sealed")
        self.counters.add("sealed", len(rows))
        self._timetable.linger(now_ns, rows)
        self._timetable.arm(now_ns, rows)
        if self._thinning is not None:
            bare = self._thinning.end_all(now_ns, "sealed")
            attachments = merge(attachments, bare, key=lambda attachment: attachment.number)
        return attachments

    def states(self) -> dict[str, int]:
        """Count monitors by state; "waiting" are targets found that have none yet, "bare" those that get none."""
        table = self._roster.table
        counts = np.bincount(table.state[: table.rows], minlength=len(State)).tolist()
        counts[IDLE] = table.room
        bare = self._thinning.bare if self._thinning is not None else 0
        return {state.name.lower(): counts[state] for state in State} | {"waiting": len(self._waiting), "bare": bare}

    def ids_at(self, local: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return the IDs of the monitors at these local addresses, uint8[n, L], zeros where there is none."""
        rows = self._roster.rows_at(local)
        ids: NDArray[np.uint8] = np.where(rows[:, None] >= 0, self._roster.table.monitors(rows), np.uint8(0))
        return ids

    def keep_alive_lateness_s(self, share: float = 0.99) -> float:
        """Return the lateness in seconds that this share of all keep-alives so far did not exceed."""
        return self._timetable.keep_alive_lateness_s(share)

    # Attaching and ending

    def _attach(self, now_ns: int) -> Rows:
        """Attach the next round of waiting targets; returns their rows."""
        targets, locals_ = self._provided(self._waiting.take(now_ns))
        rows = self._roster.attach_all(targets, locals_)
        self._timetable.begin(now_ns, rows)
        self.counters.add("attached", len(rows))
        if self._thinning is not None:
            self.counters.add("promoted", self._thinning.attached(now_ns, targets))
        return rows

    def _provided(self, wanted: list[Target]) -> tuple[list[Target], list[int]]:
        """Return who of these targets gets a monitor, with the locals acquired; the others are counted, or wait on."""
        targets: list[Target] = []
        locals_: list[int] = []
        at_ip: Counter[int] = Counter()  # of this round
        room = self._roster.table.room
        for done, target in enumerate(wanted):
            if self._roster.at_ip(target.ip) + at_ip[target.ip] >= self.settings.max_ids_per_ip:
                self.counters.add("sybil")
                continue
            local = self._acquire(target) if len(targets) < room else None
            if local is None:
                self.counters.add("pool_exhausted" if len(targets) < room else "max_monitors")
                self._waiting.block(wanted[done:])
                break
            at_ip[target.ip] += 1
            targets.append(target)
            locals_.append(local)
        return targets, locals_

    def _acquire(self, target: Target) -> int | None:
        local = self._pool.acquire(target.node_id, target.tried)
        if local is None and self._strangers is not None and self._strangers.give_way():
            local = self._pool.acquire(target.node_id, target.tried)
        return local if local is not None or not target.tried else self._pool.acquire(target.node_id)

    def _end(self, now_ns: int, row: int, reason: str) -> None:
        self.counters.add(reason)
        self._roster.end(now_ns, row, reason)
        self._timetable.linger(now_ns, row)
        self._timetable.arm(now_ns, np.array([row]))
        if reason != "moved":  # it has another monitor at once
            table = self._roster.table
            self._admission.vacate(now_ns, int(table.target_ip[row]), int(table.target_port[row]), reason)

    def _change(self, now_ns: int, row: int, node_id: bytes) -> None:
        """The node has another ID: end its attachment, and let it wait for a monitor beside the new ID."""
        target = self._roster.target(row)
        self._end(now_ns, row, "changed_id")
        self._admission.change(now_ns, target, node_id)

    def _move(self, now_ns: int, row: int) -> bool:
        """Give a target a monitor at another address, if there is one; else the old one goes on. Tells which."""
        target = self._roster.target(row)
        if target.moves >= self.settings.max_moves:
            return False
        local = self._pool.acquire(target.node_id, target.tried) if self._roster.table.room else None
        if local is None:
            self.counters.add("no_other_address")
            return False
        self._end(now_ns, row, "moved")
        row = self._roster.attach(replace(target, moves=target.moves + 1), local)
        self.counters.add("attached")
        self._timetable.begin(now_ns, row)
        self._timetable.arm(now_ns, np.array([row]))
        return True

    def _give_up(self, now_ns: int, row: int) -> None:
        """The target is silent. If the crawl still sees it, only this monitor is unheard: try another address.

        If the crawl lost it too, it is gone. Whoever else is given up gets another try when the crawl sees it; after
        `max_moves` of them, not for long.
        """
        table = self._roster.table
        if table.doubted[row]:
            self._end(now_ns, row, "gone")
            return
        target, retry_ns = self._roster.target(row), now_ns
        if table.seen_ns[row] > table.heard_ns[row]:
            if self._move(now_ns, row):
                return
            if target.moves < self.settings.max_moves:
                target = replace(target, moves=target.moves + 1)
            else:
                target = replace(target, moves=0)
                retry_ns += nanoseconds(self.settings.retry_silent_s)
        self._admission.silent(target, retry_ns)
        self._end(now_ns, row, "silent")

    def _known(self) -> NDArray[np.uint8]:
        """Return the IDs of all targets, monitored or bare."""
        if self._thinning is not None:
            return self._thinning.ids()
        table = self._roster.table
        return table.target_id[table.attached()]

    # Packets

    def _converse(self, now_ns: int, batch: DatagramBatch, rows: Rows, heard: Rows) -> list[Datagram]:
        """Take in the targets' own packets, one by one."""
        outgoing: list[Datagram] = []
        for i in heard.tolist():
            row = int(rows[i])
            answer, other_id = self._dialogue.hear(now_ns, row, batch.payload(i))
            if answer is not None:
                outgoing.append(self._roster.datagram(row, answer))
            if other_id:
                self._change(now_ns, row, other_id)
        self._timetable.arm(now_ns, np.unique(rows[heard]))
        return outgoing

    def _send(self, now_ns: int, rows: Rows, *, introduce: bool) -> list[Datagram]:
        """Return the queries of a tick; every first introduction of an attachment is noted."""
        table = self._roster.table
        self.counters.add("introductions" if introduce else "keep_alives", len(rows))
        build = self._overlay.introduction if introduce else self._overlay.keep_alive
        fresh = rows[table.introduced_ns[rows] == 0]
        table.introduced_ns[fresh] = now_ns
        table.changed[fresh] = True
        ids = table.target_id[rows].tobytes()
        size = self._overlay.id_bytes
        targets = [ids[at : at + size] for at in range(0, len(ids), size)]
        return [
            Datagram(local, ip, port, build(beside(target), Peer(target, key), transaction.to_bytes(4, "big")))
            for target, key, local, ip, port, transaction in zip(
                targets,
                table.peer_key[rows].tolist(),
                table.local[rows].tolist(),
                table.target_ip[rows].tolist(),
                table.target_port[rows].tolist(),
                table.transaction[rows].tolist(),
                strict=True,
            )
        ]
