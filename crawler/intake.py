"""What replies name: which contacts are believed, which are new, and who named whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crawler.overlay import CrawlContact
from crawler.pace import Address
from crawler.population import Node, Population
from crawler.settings import CrawlSettings
from zone_store.keyspace.zone import Zone

# Networks that are not for the public Internet (RFC 6890): (mask, first address) by first byte.
_PRIVATE = {
    10: (0xFF000000, 0x0A000000),  # 10/8
    100: (0xFFC00000, 0x64400000),  # 100.64/10
    127: (0xFF000000, 0x7F000000),  # 127/8
    169: (0xFFFF0000, 0xA9FE0000),  # 169.254/16
    172: (0xFFF00000, 0xAC100000),  # 172.16/12
    192: (0xFFFF0000, 0xC0A80000),  # 192.168/16
}

#: Contacts looked at in one reply; the longest datagram that is kept whole holds 78 of Mainline's.
_PER_REPLY = 256

#: Contacts outside the zone taken from one reply: a bucket's worth.
_OUTSIDE_PER_REPLY = 8


def is_private(ip: int) -> bool:
    """Tell whether an IPv4 address (host order) lies in a private, shared, link-local or loopback network."""
    network = _PRIVATE.get(ip >> 24)
    return network is not None and ip & network[0] == network[1]


def is_unicast(ip: int) -> bool:
    """Tell whether an IPv4 address (host order) can be a host's at all: not 0/8, multicast, reserved, broadcast."""
    return 0 < ip >> 24 < 224


@dataclass(slots=True)
class Harvest:
    """What one reply gave: our own addresses in it, nodes of the zone to ask now, neighbours' IDs, contacts outside."""

    own: list[CrawlContact]
    ask: list[Node]
    neighbours: list[bytes]
    outside: list[CrawlContact]


class Intake:
    """Judges the contacts of replies. Every refusal is counted by name; no source can add without bound.

    Bounds: new addresses per source IP and in all for each crawl, addresses per named IP, addresses kept.
    """

    def __init__(
        self,
        zone: Zone,
        population: Population,
        settings: CrawlSettings,
        private: bool,
        ignore: Callable[[int, int], bool],
        counters: Counter[str],
    ) -> None:
        self._id_bytes = zone.id_bytes
        self._low, self._high = zone.low(), zone.high()
        self._population = population
        self._private = private
        self._ignore = ignore
        self._counters = counters
        self._per_source = settings.contacts_per_source
        # Half of what is kept: so those that make room for new ones are never of the same crawl.
        self._per_crawl = max(1, settings.max_contacts // 2)
        self._by_source: dict[int, int] = {}
        self._crawl = 0
        self._new = 0
        self.seen = 0

    def begin(self, crawl: int) -> None:
        """Start a crawl: all bounds are open again."""
        self._crawl = crawl
        self._by_source = {}
        self._new = 0
        self.seen = 0

    def take(
        self,
        now_ns: int,
        source: Address,
        contacts: Sequence[CrawlContact],
        is_random: bool,
        versions: Sequence[bytes] = (),
    ) -> Harvest:
        """Sort the contacts that `source` named, in reply to a random question or not.

        versions: of the contacts' clients, () if they were named without.
        """
        harvest = Harvest([], [], [], [])
        if len(contacts) > _PER_REPLY:
            self._counters["reply_limit"] += len(contacts) - _PER_REPLY
            contacts = contacts[:_PER_REPLY]
        crawl, nodes, waiting = self._crawl, self._population.nodes, self._population.contacts
        itself = self._population.find(source)
        for contact in contacts:
            node_id, ip, port = contact
            address = (ip, port)
            node = nodes.get(address)
            if node is None:
                node = waiting.get(address)
                if node is not None and node.asked != crawl:
                    node = None  # is to be asked, perhaps
            # By far most contacts: known under this ID, and alive or asked, so there is nothing to judge.
            if node is not None and node.node_id == node_id and node is not itself:
                harvest.neighbours.append(node_id)
                if node.listed != crawl:
                    self._list(node)
                if is_random:
                    node.sampled = crawl
            elif self._ignore(ip, port):
                self._counters["own_contact"] += 1
                harvest.own.append((node_id, ip, port))
            elif len(node_id) != self._id_bytes or not self.is_usable(address):
                self._counters["bogus_contact"] += 1
            elif address != source:
                harvest.neighbours.append(node_id)
                if self._low <= node_id <= self._high:
                    self._take_inside(now_ns, source, node_id, address, is_random, harvest)
                elif len(harvest.outside) < _OUTSIDE_PER_REPLY:
                    harvest.outside.append(contact)
        for (node_id, ip, port), version in zip(contacts, versions, strict=False):
            node = self._population.find((ip, port))
            if node is not None and node.node_id == node_id:
                node.version = version
        return harvest

    def touch(self, node: Node) -> None:
        """Note that a node is asked or named in this crawl: `seen` counts each once."""
        if self._crawl not in (node.asked, node.listed):
            self.seen += 1

    def is_usable(self, address: Address) -> bool:
        """Tell whether packets may go to an address at all."""
        ip, port = address
        return 0 < port < 0x10000 and is_unicast(ip) and (self._private or not is_private(ip))

    def _list(self, node: Node) -> None:
        self.touch(node)
        node.listed = self._crawl

    def _take_inside(
        self, now_ns: int, source: Address, node_id: bytes, address: Address, is_random: bool, harvest: Harvest
    ) -> None:
        node = self._population.find(address)
        if node is None:
            node = Node(node_id, address)
            if not self._admit(source, node):
                return
        self._list(node)
        if is_random:
            node.sampled = self._crawl
        if address in self._population.nodes:
            return
        node.node_id = node_id  # the latest claim is the likeliest
        if node.asked != self._crawl and node.retry_ns <= now_ns:
            if self._population.take_slot(node):
                harvest.ask.append(node)
            else:
                self._counters["crowded_ip"] += 1

    def _admit(self, source: Address, node: Node) -> bool:
        taken = self._by_source.get(source[0], 0)
        if taken >= self._per_source:
            self._counters["source_limit"] += 1
        elif self._new >= self._per_crawl:
            self._counters["crawl_limit"] += 1
        elif not self._population.take_slot(node):
            self._counters["crowded_ip"] += 1
        else:
            self._by_source[source[0]] = taken + 1
            self._new += 1
            self._population.admit(node)
            return True
        return False
