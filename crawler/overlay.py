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
        """The transaction ID echoed, or what stands for it (`CrawlOverlay.crawl_echo`)."""
        ...

    @property
    def sender_id(self) -> bytes:
        """The answering node's ID, b"" if it does not say."""
        ...

    @property
    def contacts(self) -> Sequence[CrawlContact]:
        """The contacts handed out."""
        ...

    @property
    def contact_versions(self) -> Sequence[bytes]:
        """Client version bytes of each contact, () where contacts are named without."""
        ...

    @property
    def version(self) -> bytes:
        """Client version bytes, b"" if none."""
        ...

    @property
    def verified(self) -> bool:
        """The datagram proves that its source is not forged, or nodes of this DHT have no way to."""
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

    @property
    def addressed(self) -> bool:
        """Queries name the node they are meant for, and no other answers them.

        There are no transactions then: a reply is known by its sender's address and by what it echoes.
        """
        ...

    def crawl_query(self, own_id: bytes, target: bytes, transaction: bytes, node_id: bytes = b"") -> bytes:
        """Return the read-only query for contacts near `target`, to the node with this ID (b"": not known)."""
        ...

    def crawl_echo(self, transaction: bytes, target: bytes, node_id: bytes) -> bytes:
        """Return the `CrawlMessage.transaction` of its reply; asked for `addressed` overlays only."""
        ...

    def parse(self, data: bytes) -> CrawlMessage:
        """Parse a datagram; never raises."""
        ...
