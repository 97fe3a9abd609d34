"""Which nodes get a monitor: exclusions, each counted, and the memory of addresses that had one."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from montra.datagrams import Counters
from montra.monitors.pool import AddressPool
from montra.monitors.roster import Target, address_key
from montra.monitors.settings import FleetSettings
from montra.monitors.waiting import WaitingList


class Region(Protocol):
    """What a fleet covers: a `zone_store.keyspace.zone.Zone`, or a part of one."""

    def contains(self, node_id: bytes) -> bool:
        """Tell whether an ID lies in it."""
        ...


class Admission:
    """Lets nodes wait for a monitor or counts why not:
    own_address, bad_address, outside_zone, unstable_id, waiting_full.

    Both memories are bounded by `max_monitors`; the oldest is forgotten first (of the silent ones: silent_forgotten).
    """

    def __init__(self, zone: Region, pool: AddressPool, settings: FleetSettings, counters: Counters) -> None:
        self.waiting = WaitingList(settings.attach_rate, max(settings.max_waiting, settings.max_monitors))
        self._zone = zone
        self._pool = pool
        self._settings = settings
        self._counters = counters
        self._unstable: dict[int, None] = {}  # addresses that changed their ID too often
        # given up, with the time of peace for them; the crawl may see them again without calling them new
        self._silent: dict[int, tuple[Target, int]] = {}

    def meet(self, now_ns: int, target: Target) -> None:
        """A node answers at this address, which has no monitor."""
        known = self.waiting.get(target.ip, target.port)
        if known is None or known.node_id != target.node_id:
            self.forget(target.ip, target.port)
            self._admit(now_ns, target)

    def change(self, now_ns: int, target: Target, node_id: bytes) -> None:
        """The node of a monitor just ended has another ID now."""
        target = replace(target, node_id=node_id, found_ns=now_ns, moves=0, changes=target.changes + 1)
        if target.changes > self._settings.max_id_changes:
            if len(self._unstable) >= self._settings.max_monitors:
                del self._unstable[next(iter(self._unstable))]
            self._unstable[target.address] = None
        self._admit(now_ns, target)

    def forget(self, ip: int, port: int, node_id: bytes = b"") -> None:
        """Drop who waits or was silent at this address; given an ID, only the node with that ID."""
        address = address_key(ip, port)
        waiting, silent = self.waiting.get(ip, port), self._silent.get(address)
        if waiting and node_id in (b"", waiting.node_id):
            self.waiting.discard(ip, port)
        if silent and node_id in (b"", silent[0].node_id):
            del self._silent[address]

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
        if self.waiting.get(ip, port) or address in self._unstable:
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
        elif not self.waiting.add(now_ns, target):
            refusal = "waiting_full"
        self._counters.add(refusal or "found")
