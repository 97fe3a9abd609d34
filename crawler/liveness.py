"""Who is alive in the zone: turns answers and silence into events."""

from __future__ import annotations

from collections import Counter

from crawler.events import Event, NodeChanged, NodeFound, NodeGone
from crawler.pace import Address
from crawler.population import Node, Population
from crawler.settings import CrawlSettings
from zone_store.keyspace.zone import Zone


class Liveness:
    """Reports nodes that begin to answer, answer under another ID, or stop answering; `events` until taken.

    The crawler is read-only and heard of the node from others, so an answer is one to an unsolicited query: the node
    is reachable, not behind a NAT or firewall (Jimenez et al., P2P'09). What others claim is not reported: the ID is
    the one in the node's own reply.
    """

    def __init__(self, zone: Zone, population: Population, settings: CrawlSettings, counters: Counter[str]) -> None:
        self._zone = zone
        self._population = population
        self._gone_after = settings.gone_after
        self._changes = settings.changes_per_node
        self._counters = counters
        self.events: list[Event] = []
        self.new = self.gone = self.changed = 0
        self.answering = 0

    def begin(self) -> None:
        """Start a crawl: count the nodes that answer in it (`answering`) from nothing."""
        self.answering = 0

    def answered(
        self, now_ns: int, crawl: int, address: Address, node_id: bytes, version: bytes, verified: bool = True
    ) -> Node | None:
        """Note a reply; return the node if it counts as one of the zone.

        version: of the reply; b"" leaves what others said of the node's client. verified: the reply proves its source.
        """
        node = self._population.nodes.get(address)
        if node is None:
            node = self._found(now_ns, crawl, address, node_id, version)
            if node is not None:
                node.proved = verified
            return node
        node.proved |= verified
        node.version = version or node.version
        self.refresh(now_ns, crawl, node)
        if node_id != node.node_id:
            return self._changed(now_ns, node, node_id)
        return node

    def refresh(self, now_ns: int, crawl: int, node: Node) -> None:
        """Note that a node of the zone is alive."""
        self.answering += node.answered != crawl
        node.last_answer_ns = now_ns
        node.answered = crawl
        node.misses = 0

    def missed(self, node: Node) -> bool:
        """Note a crawl without answer; True if the node must now be checked once more."""
        node.misses += 1
        if node.misses < self._gone_after or node.rechecking:
            return False
        node.rechecking = True
        return True

    def rechecked(self, now_ns: int, node: Node) -> None:
        """Note that the check stayed unanswered: the node is gone, unless it answered something else meanwhile."""
        if node.misses >= self._gone_after and self._population.nodes.get(node.address) is node:
            self._lose(now_ns, node)

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self.events = self.events, []
        return events

    def take_counts(self) -> tuple[int, int, int]:
        """Return how many nodes were new, gone and changed since the last call."""
        counts = self.new, self.gone, self.changed
        self.new = self.gone = self.changed = 0
        return counts

    def _found(self, now_ns: int, crawl: int, address: Address, node_id: bytes, version: bytes) -> Node | None:
        contact = self._population.contacts.get(address)
        node = contact or Node(node_id, address)
        if not self._zone.contains(node_id):
            if contact:
                self._counters["claimed_in_zone"] += 1
                self._population.rest(now_ns, contact)
            return None
        if contact and contact.node_id != node_id:
            self._counters["claimed_other_id"] += 1
        if not self._population.take_slot(node):
            self._counters["crowded_ip"] += 1
            return None
        if not self._population.settle(node):
            self._counters["nodes_full"] += 1
            self._population.rest(now_ns, node)
            return None
        node.node_id, node.version = node_id, version or node.version
        node.found_ns, node.found_crawl = now_ns, crawl
        node.changes = 0
        self.refresh(now_ns, crawl, node)
        self.new += 1
        self.events.append(NodeFound(now_ns, node_id, *address, node.version))
        return node

    def _changed(self, now_ns: int, node: Node, node_id: bytes) -> Node | None:
        in_zone = self._zone.contains(node_id)
        old_id, node.node_id = node.node_id, node_id
        node.changes += 1
        self.changed += 1
        self.events.append(NodeChanged(now_ns, old_id, node_id, *node.address, in_zone))
        if not in_zone:
            self._population.unsettle(now_ns, node)
            return None
        if node.changes > self._changes:
            self._counters["unstable_id"] += 1
            self._lose(now_ns, node, longest=True)
            return None
        return node

    def _lose(self, now_ns: int, node: Node, longest: bool = False) -> None:
        self._population.unsettle(now_ns, node, longest)
        self.gone += 1
        self.events.append(NodeGone(now_ns, node.node_id, *node.address, node.last_answer_ns))
