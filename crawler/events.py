"""What a crawl tells the rest, as it happens. Times are integer nanoseconds since the Unix epoch.

Named tuples: a fast crawl makes tens of thousands a second, and a frozen dataclass takes three times as long.
"""

from __future__ import annotations

from typing import NamedTuple

from zone_store.captures import CrawlRow


class NodeFound(NamedTuple):
    """A node of the zone answered an unsolicited query for the first time: reachable, so not behind a NAT."""

    at_ns: int
    node_id: bytes
    ip: int
    port: int
    version: bytes


class NodeGone(NamedTuple):
    """A known node of the zone stayed silent for the configured number of crawls."""

    at_ns: int
    node_id: bytes
    ip: int
    port: int
    last_answer_ns: int


class NodeChanged(NamedTuple):
    """The node at this address answers under another ID (which may lie outside the zone)."""

    at_ns: int
    old_id: bytes
    node_id: bytes
    ip: int
    port: int
    in_zone: bool


class OwnView(NamedTuple):
    """A node answered a query for its own ID, and named these addresses that the caller called its own (ID, ip, port).

    The empty tuple is news too: the node does not hand out the monitor beside it.
    """

    at_ns: int
    node_id: bytes
    ip: int
    port: int
    own: tuple[tuple[bytes, int, int], ...]


class CrawlDone(NamedTuple):
    """One crawl of the zone ended.

    marked, sampled, recaptured: the counts behind the estimate (crawler/completeness.py); dark: nodes known before the
    crawl that answered but that no other node named in it; bootstrapped: False if bootstrap nodes were asked and none
    answered; cut: the crawl took too long and was ended with questions left.
    """

    row: CrawlRow
    marked: int = 0
    sampled: int = 0
    recaptured: int = 0
    dark: int = 0
    bootstrapped: bool = True
    cut: bool = False


Event = NodeFound | NodeGone | NodeChanged | OwnView | CrawlDone
