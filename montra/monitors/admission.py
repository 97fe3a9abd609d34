"""Which nodes get a monitor: exclusions, each counted, and the memory of addresses that had one."""

from __future__ import annotations

from dataclasses import replace

from montra.datagrams import Counters
from montra.monitors.pool import AddressPool
from montra.monitors.roster import Target, address_key
from montra.monitors.settings import FleetSettings
from montra.monitors.waiting import WaitingList
from zone_store.keyspace.zone import Zone


class Admission:
    """Lets nodes wait for a monitor or counts why not:
    own_address, bad_address, outside_zone, unstable_id, waiting_full.

    Both memories are bounded by `max_waiting`; the oldest is forgotten first.
    """

    def __init__(self, zone: Zone, pool: AddressPool, settings: FleetSettings, counters: Counters) -> None:
        self.waiting = WaitingList(settings.attach_rate, settings.max_waiting)
        self._zone = zone
        self._pool = pool
        self._settings = settings
        self._counters = counters
        self._unstable: dict[int, None] = {}  # addresses that changed their ID too often
        self._silent: dict[int, Target] = {}  # given up; the crawl may see them again without calling them new

    def meet(self, now_ns: int, target: Target) -> None:
        """A node answers at this address, which has no monitor."""
        known = self.waiting.get(target.address)
        if known is None or known.node_id != target.node_id:
            self.forget(target.address)
            self._admit(now_ns, target)

    def change(self, now_ns: int, target: Target, node_id: bytes) -> None:
        """The node of a monitor just ended has another ID now."""
        target = replace(target, node_id=node_id, found_ns=now_ns, moves=0, changes=target.changes + 1)
        if target.changes > self._settings.max_id_changes:
            self._bound(self._unstable)
            self._unstable[target.address] = None
        self._admit(now_ns, target)

    def forget(self, address: int, node_id: bytes = b"") -> None:
        """Drop who waits or was silent at this address; given an ID, only the node with that ID."""
        waiting, silent = self.waiting.get(address), self._silent.get(address)
        if waiting and node_id in (b"", waiting.node_id):
            self.waiting.discard(address)
        if silent and node_id in (b"", silent.node_id):
            del self._silent[address]

    def silent(self, target: Target) -> None:
        """Remember a target given up as silent."""
        self._bound(self._silent)
        self._silent[target.address] = target

    def seen(self, now_ns: int, ip: int, port: int) -> None:
        """The crawl had an answer from this address: if its node was given up as silent, it gets another try."""
        target = self._silent.pop(address_key(ip, port), None)
        if target is not None:
            self._admit(now_ns, replace(target, found_ns=now_ns))

    def _bound(self, memory: dict[int, None] | dict[int, Target]) -> None:
        if len(memory) >= self._settings.max_waiting:
            del memory[next(iter(memory))]

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
