"""Who is known in the zone: nodes that answer, and addresses that others claim but that have not answered."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from crawler.pace import Address
from crawler.settings import CrawlSettings, nanoseconds


class KnownNode(NamedTuple):
    """A node of the zone that answers: what `ZoneCrawler.nodes` lists."""

    node_id: bytes
    ip: int
    port: int
    version: bytes
    found_ns: int
    last_answer_ns: int


@dataclass(slots=True, eq=False)
class Node:
    """An address of the zone. `node_id` is claimed by others until the node answers, its own word from then on.

    version: of its client, by whoever spoke of it last, itself or others; proved: it has proved its address; found_ns,
    found_crawl: when it last came to count as found; asked, answered, missed, listed, sampled: number of the last crawl
    in which it was asked, answered, stayed silent to all tries, was named by another node, and was named in answer to a
    random question; misses: crawls without answer in a row; failures, retry_ns: the rest of silent ones.
    """

    node_id: bytes
    address: Address
    version: bytes = b""
    proved: bool = False
    found_ns: int = 0
    found_crawl: int = 0
    last_answer_ns: int = 0
    asked: int = 0
    answered: int = 0
    missed: int = 0
    listed: int = 0
    sampled: int = 0
    slot: int = 0
    misses: int = 0
    changes: int = 0
    failures: int = 0
    retry_ns: int = 0
    rechecking: bool = False


class Population:
    """`nodes` answer and are in the zone; `contacts` are the rest, oldest failure first. Both bounded, both by address.

    An IP address has a few slots in each crawl, taken by the nodes there and by the contacts asked there.
    """

    def __init__(self, settings: CrawlSettings) -> None:
        self.nodes: dict[Address, Node] = {}
        self.contacts: OrderedDict[Address, Node] = OrderedDict()
        self._max_nodes = settings.max_nodes
        self._max_contacts = settings.max_contacts
        self._slots = settings.nodes_per_ip
        self._silent_ns = nanoseconds(settings.silent_s)
        self._silent_max_ns = nanoseconds(settings.silent_max_s)
        self._taken: dict[int, int] = {}
        self._crawl = 0

    def begin(self, crawl: int) -> None:
        """Start a crawl: count the slots anew."""
        self._crawl = crawl
        self._taken = {}
        for node in self.nodes.values():
            self._take(node)

    def find(self, address: Address) -> Node | None:
        """Return the node or contact at an address."""
        return self.nodes.get(address) or self.contacts.get(address)

    def has_proved(self, address: Address) -> bool:
        """Tell whether a node answers at an address that has proved it before."""
        node = self.nodes.get(address)
        return node is not None and node.proved

    def known(self) -> list[KnownNode]:
        """Return the nodes that answer."""
        return [
            KnownNode(node.node_id, *node.address, node.version, node.found_ns, node.last_answer_ns)
            for node in self.nodes.values()
        ]

    def take_slot(self, node: Node) -> bool:
        """Take a slot of the node's IP address in this crawl; False if all are taken. Holding one already is fine."""
        if node.slot == self._crawl:
            return True
        if self._taken.get(node.address[0], 0) >= self._slots:
            return False
        self._take(node)
        return True

    def admit(self, node: Node) -> None:
        """Add a contact; the one that failed longest ago makes room."""
        if len(self.contacts) >= self._max_contacts:
            self.contacts.popitem(last=False)
        self.contacts[node.address] = node

    def settle(self, node: Node) -> bool:
        """Make a contact a node; False if the table is full."""
        if len(self.nodes) >= self._max_nodes:
            return False
        self.contacts.pop(node.address, None)
        self.nodes[node.address] = node
        node.misses = node.failures = 0
        return True

    def unsettle(self, now_ns: int, node: Node, longest: bool = False) -> None:
        """Make a node a contact that rests."""
        del self.nodes[node.address]
        node.proved = False
        self.rest(now_ns, node, longest)

    def rest(self, now_ns: int, node: Node, longest: bool = False) -> None:
        """Let a contact rest: each time twice as long, up to a maximum, or at once for the longest time."""
        self.contacts.pop(node.address, None)
        self.admit(node)
        # The exponent is bounded only to keep the integer small.
        doubled_ns = self._silent_ns << min(node.failures, 40)
        node.retry_ns = now_ns + (self._silent_max_ns if longest else min(doubled_ns, self._silent_max_ns))
        node.failures += 1

    def prune(self, now_ns: int) -> None:
        """Forget contacts that could have been asked again for long, but were named by nobody."""
        while self.contacts:
            address, oldest = next(iter(self.contacts.items()))
            if oldest.retry_ns + self._silent_max_ns > now_ns:
                break
            del self.contacts[address]

    def _take(self, node: Node) -> None:
        node.slot = self._crawl
        self._taken[node.address[0]] = self._taken.get(node.address[0], 0) + 1
