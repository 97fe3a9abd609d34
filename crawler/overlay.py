"""What the crawler asks of a DHT: the protocol that an overlay object fits.

Defined here so that the crawler imports nothing of montra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

#: A node as another names it: ID, IPv4 address as host-order integer, UDP port. A plain tuple: replies name eight.
CrawlContact = tuple[bytes, int, int]


class CrawlMessage(Protocol):
    """A parsed datagram, as far as the crawler looks at it (type is "reply" for an answer)."""

    @property
    def type(self) -> str:
        """One of query, reply, error, malformed."""
        ...

    @property
    def transaction(self) -> bytes:
        """The transaction ID echoed."""
        ...

    @property
    def sender_id(self) -> bytes:
        """The answering node's ID."""
        ...

    @property
    def contacts(self) -> Sequence[CrawlContact]:
        """The contacts handed out."""
        ...

    @property
    def version(self) -> bytes:
        """Client version bytes, b"" if none."""
        ...

    @property
    def reason(self) -> str:
        """Why malformed."""
        ...


class CrawlOverlay(Protocol):
    """A DHT that can be crawled."""

    @property
    def id_bytes(self) -> int:
        """Bytes of a node ID."""
        ...

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes) -> bytes:
        """Return the read-only query for contacts near `target`."""
        ...

    def parse(self, data: bytes) -> CrawlMessage:
        """Parse a datagram; never raises."""
        ...
