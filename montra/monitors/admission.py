"""Which nodes get a monitor: exclusions, each counted, a thin fleet's choice, and the memory of who had one."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from montra.datagrams import Counters
from montra.monitors.pool import AddressPool
from montra.monitors.roster import Target, address_key
from montra.monitors.settings import FleetSettings
from montra.monitors.thinning import Thinning
from montra.monitors.waiting import WaitingList


class Region(Protocol):
    """What a fleet covers: a `zone_store.keyspace.zone.Zone`, or a part of one."""

    def contains(self, node_id: bytes) -> bool:
        """Tell whether an ID lies in it."""
        ...


class Admission:
    """Lets nodes wait for a monitor or counts why not:
    own_address, bad_address, outside_zone, unstable_id, waiting_full; in a thin fleet also bare, sybil, bare_full.

    thinning: the targets of a thin fleet, None where each gets a monitor. Both memories are bounded by `max_monitors`;
    the oldest is forgotten first (of the silent ones: silent_forgotten).
    """

    def __init__(
        self,
        zone: Region,
        pool: AddressPool,
        settings: FleetSettings,
        counters: Counters,
        thinning: Thinning | None = None,
    ) -> None:
        self.waiting = WaitingList(settings.attach_rate, max(settings.max_waiting, settings.max_monitors))
        self._zone = zone
        self._pool = pool
        self._settings = settings
        self._counters = counters
        self._thinning = thinning
        self._unstable: dict[int, None] = {}  # addresses that changed their ID too often
        # given up, with the time of peace for them; the crawl may see them again without calling them new
        self._silent: dict[int, tuple[Target, int]] = {}

    def meet(self, now_ns: int, target: Target) -> None:
        """A node answers at this address, which has no monitor."""
        known = self.waiting.get(target.ip, target.port)
        known_id = known.node_id if known else self._bare(target.ip, target.port)
        if known_id is None or known_id != target.node_id:
            self.forget(now_ns, target.ip, target.port, "changed_id")
            self._admit(now_ns, target)

    def change(self, now_ns: int, target: Target, node_id: bytes) -> None:
        """The node of a monitor just ended has another ID now."""
        target = replace(target, node_id=node_id, found_ns=now_ns, moves=0, changes=target.changes + 1)
        if target.changes > self._settings.max_id_changes:
            if len(self._unstable) >= self._settings.max_monitors:
                del self._unstable[next(iter(self._unstable))]
            self._unstable[target.address] = None
        self._admit(now_ns, target)

    def forget(self, now_ns: int, ip: int, port: int, reason: str, node_id: bytes = b"") -> None:
        """Drop who waits, is bare or was silent at this address; given an ID, only the node with that ID."""
        address = address_key(ip, port)
        waiting, silent = self.waiting.get(ip, port), self._silent.get(address)
        if waiting and node_id in (b"", waiting.node_id):
            self.waiting.discard(ip, port)
        if silent and node_id in (b"", silent[0].node_id):
            del self._silent[address]
        self.vacate(now_ns, ip, port, reason, node_id)

    def vacate(self, now_ns: int, ip: int, port: int, reason: str, node_id: bytes = b"") -> None:
        """The target at this address is none any more, monitored or bare: a neighbour may be promoted."""
        if self._thinning is not None:
            self._choose(now_ns, self._thinning.leave(now_ns, ip, port, reason, node_id))

    def judge(self, now_ns: int, ip: int, port: int, hidden: bool) -> None:
        """The monitored target at this address keeps its monitor hidden, or does not: see `Thinning.judge`."""
        if self._thinning is not None:
            self._choose(now_ns, self._thinning.judge(now_ns, ip, port, hidden))

    def tick(self, now_ns: int) -> None:
        """Do what is due, see `Thinning.tick`."""
        if self._thinning is not None:
            self._choose(now_ns, self._thinning.tick(now_ns))

    def due_ns(self) -> int:
        """Return when `tick`, or the taking of those who wait, has something to do next; NEVER for never."""
        due_ns = self.waiting.due_ns()
        return due_ns if self._thinning is None else min(due_ns, self._thinning.due_ns())

    def silent(self, target: Target, retry_ns: int) -> None:
        """Remember a target given up as silent; it gets no other try before `retry_ns`."""
        if len(self._silent) >= self._settings.max_monitors:
            del self._silent[next(iter(self._silent))]
            self._counters.add("silent_forgotten")
        self._silent[target.address] = (target, retry_ns)

    def seen(self, now_ns: int, node_id: bytes, ip: int, port: int) -> None:
        """The crawl had an answer from this address, which has no monitor: its node gets another try.

        It was given up as silent, or refused when it was found, for the crawl calls a node new only once. Without its
        ID (b"") only the first kind is known.
        """
        address = address_key(ip, port)
        if self.waiting.get(ip, port) or address in self._unstable or self._bare(ip, port) is not None:
            return
        known, retry_ns = self._silent.get(address, (None, 0))
        if known and node_id in (b"", known.node_id):
            if now_ns >= retry_ns:
                del self._silent[address]
                self._admit(now_ns, replace(known, found_ns=now_ns))
        elif self._zone.contains(node_id) and not self._pool.is_own(ip, port):
            self._silent.pop(address, None)
            self._admit(now_ns, Target(node_id, ip, port, 0, now_ns))

    def _admit(self, now_ns: int, target: Target) -> None:
        refusal = ""
        if not (0 < target.ip < 1 << 32 and 0 < target.port < 1 << 16):
            refusal = "bad_address"
        elif self._pool.is_own(target.ip, target.port):
            refusal = "own_address"
        elif not self._zone.contains(target.node_id):
            refusal = "outside_zone"
        elif target.address in self._unstable:
            refusal = "unstable_id"
        elif self._thinning is not None:
            refusal = self._thin(now_ns, self._thinning, target)
        elif not self.waiting.add(now_ns, target):
            refusal = "waiting_full"
        self._counters.add(refusal or "found")

    def _thin(self, now_ns: int, thinning: Thinning, target: Target) -> str:
        """Take a target into a thin fleet; returns why not, or "bare", or "" if it waits for a monitor."""
        if thinning.at_ip(target.ip) >= self._settings.max_ids_per_ip:
            return "sybil"
        chosen = thinning.arrive(target)
        if chosen is None:
            return "bare_full"
        self._choose(now_ns, chosen)
        return "" if self.waiting.get(target.ip, target.port) else "bare"

    def _choose(self, now_ns: int, chosen: list[Target]) -> None:
        """Let targets of a thin fleet wait for a monitor."""
        refused = [target for target in chosen if not self.waiting.add(now_ns, target)]
        if refused and self._thinning is not None:
            self._thinning.refused(refused)
            self._counters.add("waiting_full", len(refused))

    def _bare(self, ip: int, port: int) -> bytes | None:
        """Return the ID of the bare target at this address, where nobody waits or has a monitor."""
        return self._thinning.id_at(ip, port) if self._thinning is not None else None
