"""The fleet as the crawling process sees it: every node belongs to the worker whose sector its ID lies in.

Stands in the window where a single process has the fleet itself (`montra.window.window.Monitors`). The workers' probes
go the other way.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from crawler.crawl import NEVER_NS
from crawler.population import KnownNode
from montra.datagrams import Counters, Datagram, DatagramBatch
from montra.monitors.fleet import FleetOutput
from montra.monitors.roster import address_key
from montra.monitors.table import State
from montra.overlays.base import Scan
from montra.processes.backlog import Backlog
from montra.processes.messages import Changed, Found, Gone, News, Status, View
from montra.processes.share import Sectors
from zone_store.captures import Attachment, Captures

#: Probes of one worker that may wait; the crawler takes them within a tick.
_MAX_PROBES = 10_000
#: Lost nodes whose worker is remembered, should they come back under another one's ID.
_MAX_GONE = 65_536


class Relay:
    """Tells each worker of its nodes, through a backlog of its own, and adds up what the workers say of themselves.

    hold_s: rest of a target that passes from one worker to another, so that their allowances do not add up;
    max_nodes: nodes known at once. known: the crawler's nodes, for a worker that begins or was left behind;
    news: called with a slot when there is something to tell it.
    counters: feed_dropped (news left out because a worker read too slowly; made good later), probes_dropped.
    """

    def __init__(self, sectors: Sectors, id_bytes: int, hold_s: float, max_nodes: int) -> None:
        self.counters = Counters()
        self.known: Callable[[], Iterable[KnownNode]] = tuple
        self.news: Callable[[int], None] = lambda _slot: None
        self._sectors = sectors
        self._id_bytes = id_bytes
        self._hold_ns = round(hold_s * 1e9)
        self._max_nodes = max_nodes
        self._backlogs = [Backlog(max_nodes) for _ in range(len(sectors))]
        self._owner: OrderedDict[int, tuple[int, bytes]] = OrderedDict()  # address -> slot and ID it was told of
        self._gone: OrderedDict[int, tuple[int, bytes]] = OrderedDict()  # the same of nodes lately lost
        self._held: OrderedDict[int, tuple[int, Found]] = OrderedDict()  # address -> when to tell its new owner
        self._probes: deque[tuple[int, int, bytes]] = deque()
        self._latest: list[Status | None] = [None] * len(sectors)
        self._ended: Counters = Counters()  # of workers that are no more
        self._ended_captures = 0

    # What the window asks

    def found(self, now_ns: int, node_id: bytes, ip: int, port: int, version: bytes = b"") -> None:
        """A node of the zone answers at this address."""
        slot = self._sectors.slot_of(node_id)
        if slot < 0:
            return
        key, news = address_key(ip, port), Found(node_id, ip, port, version)
        held = self._held.pop(key, None)
        lately = self._gone.pop(key, (slot, node_id))
        owner, known_id = self._owner.pop(key, lately)
        self._own(key, slot, node_id)
        if owner != slot:
            self._put(owner, Changed(known_id, node_id, ip, port, False))
            self._held[key] = now_ns + self._hold_ns, news
        elif held is not None:
            self._held[key] = now_ns + self._hold_ns, news
        elif known_id != node_id:
            self._put(slot, Changed(known_id, node_id, ip, port, True))
        else:
            self._put(slot, news)

    def changed(self, now_ns: int, old_id: bytes, node_id: bytes, ip: int, port: int, in_zone: bool) -> None:
        """The node at this address answers under another ID."""
        key = address_key(ip, port)
        owner, known_id = self._owner.get(key, (self._sectors.slot_of(old_id), old_id))
        if in_zone and (owner != self._sectors.slot_of(node_id) or key in self._held):
            if owner >= 0:
                self._owner[key] = owner, known_id
            self.found(now_ns, node_id, ip, port)
        elif in_zone:
            self._own(key, owner, node_id)
            self._put(owner, Changed(old_id, node_id, ip, port, True))
        else:
            self._owner.pop(key, None)
            if self._held.pop(key, None) is None:
                self._put(owner, Changed(known_id, node_id, ip, port, False))

    def gone(self, now_ns: int, node_id: bytes, ip: int, port: int) -> None:
        """The crawl lost this node."""
        key = address_key(ip, port)
        owner, known_id = self._owner.pop(key, (self._sectors.slot_of(node_id), node_id))
        if self._held.pop(key, None) is None:
            self._put(owner, Gone(known_id, ip, port))
            self._gone[key] = owner, known_id  # its worker may know better and keep it
            if len(self._gone) > _MAX_GONE:
                self._gone.popitem(last=False)

    def own_view(
        self, now_ns: int, ip: int, port: int, own: tuple[tuple[bytes, int, int], ...], node_id: bytes = b""
    ) -> None:
        """A node told the crawler whom it hands out near its own ID."""
        key = address_key(ip, port)
        owner, _ = self._owner.get(key, (self._sectors.slot_of(node_id), b""))
        if key not in self._held:
            self._put(owner, View(node_id, ip, port, own))

    def feed(self, now_ns: int, batch: DatagramBatch, scan: Scan) -> FleetOutput:
        """Take nothing: this process has no monitors' sockets."""
        return FleetOutput([], Captures.empty(self._id_bytes))

    def tick(self, now_ns: int) -> list[Datagram]:
        """Tell of the nodes whose rest is over."""
        while self._held:
            due_ns, news = next(iter(self._held.values()))
            if due_ns > now_ns:
                break
            self._held.popitem(last=False)
            self._put(self._sectors.slot_of(news.node_id), news)
        return []

    def due(self, now_ns: int) -> int:
        """Return when `tick` or `take_probes` has something to do next."""
        if self._probes:
            return now_ns
        return max(now_ns, next(iter(self._held.values()))[0]) if self._held else NEVER_NS

    def take_changed(self) -> list[Attachment]:
        """Return nothing: the workers store their attachments themselves."""
        return []

    def take_probes(self) -> list[tuple[int, int, bytes]]:
        """Return what the workers want the crawler to ask."""
        taken = list(self._probes)
        self._probes.clear()
        return taken

    def seal(self, now_ns: int) -> list[Attachment]:
        """Return nothing: the workers end their attachments themselves."""
        return []

    def states(self) -> dict[str, int]:
        """Return the monitors of all workers by state, as they last said; who is still to be told of waits."""
        total = Counters({state.name.lower(): 0 for state in State} | {"waiting": 0})
        for status in self._latest:
            total.merge(status.states.items() if status else ())
        total.add("waiting", len(self._held) + sum(map(len, self._backlogs)))
        return total.counts

    def ids_at(self, local: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Return zeros: this process has no monitors."""
        return np.zeros((len(local), self._id_bytes), np.uint8)

    # What the workers say, and are told

    def status(self, slot: int, status: Status) -> None:
        """A worker said how it stands."""
        self._latest[slot] = status

    def probes(self, wanted: Iterable[tuple[int, int, bytes]]) -> None:
        """A worker wants nodes to be asked."""
        for one in wanted:
            if len(self._probes) < _MAX_PROBES:
                self._probes.append(one)
            else:
                self.counters.add("probes_dropped")

    def lost(self, slot: int) -> dict[str, int]:
        """A worker is no more: what it counted stays, its monitors do not; returns the counters it last told."""
        status, self._latest[slot] = self._latest[slot], None
        if status is not None:
            self._ended.merge(status.counters.items())
            self._ended_captures += status.captures
        self._backlogs[slot].clear()
        return status.counters if status is not None else {}

    def begin(self, slot: int) -> None:
        """Another worker holds a sector: tell it of all nodes known there."""
        backlog = self._backlogs[slot]
        backlog.clear()
        for node in self.known():
            key = address_key(node.ip, node.port)
            if self._sectors.slot_of(node.node_id) == slot and key not in self._held:
                self._own(key, slot, node.node_id)
                backlog.put(Found(node.node_id, node.ip, node.port, node.version))

    def take(self, slot: int, most: int) -> list[News]:
        """Return what a worker is to be told next."""
        backlog = self._backlogs[slot]
        if not len(backlog) and backlog.behind:
            self.begin(slot)
        return backlog.take(most)

    @property
    def captures(self) -> int:
        """Copies captured by all workers so far, as they last said."""
        return self._ended_captures + sum(status.captures for status in self._latest if status)

    def worker_counters(self) -> dict[str, int]:
        """Return the workers' counters together, as they last said, those of workers that are no more included."""
        total = Counters(dict(self._ended.counts))
        for status in self._latest:
            total.merge(status.counters.items() if status else ())
        return total.counts

    def _put(self, slot: int, news: News) -> None:
        if slot < 0:
            return
        if not self._backlogs[slot].put(news):
            self.counters.add("feed_dropped")
        self.news(slot)

    def _own(self, key: int, slot: int, node_id: bytes) -> None:
        self._owner[key] = slot, node_id
        if len(self._owner) > 2 * self._max_nodes:  # the crawler tells of each it drops; this is for its mistakes
            self._owner.popitem(last=False)
