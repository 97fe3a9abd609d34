"""What requesters said of the content they published or searched, where a monitor answered them once.

Names, tags and addresses are personal data: they are stored in the run as they came, and nothing that is made from a
run shows them unless it is asked to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What was said: published were a file under a keyword, a source of a file, notes on a file; or searched for."""

    KEYWORD = "keyword"
    SOURCE = "source"
    NOTES = "notes"
    SEARCH_KEYWORD = "search_keyword"
    SEARCH_SOURCE = "search_source"
    SEARCH_NOTES = "search_notes"
    BUDDY = "buddy"  # no content: the key is where a firewalled node looks for a helper


@dataclass(frozen=True, slots=True)
class Content:
    """One thing said of one key; a packet that publishes many files under a keyword gives as many.

    time_ns: arrival; attachment: number of the target interval whose monitor got it; source_ip (host order),
    source_port: who said it; what: a `What`; key: the content ID; file_id: of the file that is published or searched,
    b"" if none is; size: of that file in bytes (below 2**63), 0 if not told; name: of that file, "" if not told; tags:
    all else that was said of it, as (name, value) texts in the order they came.
    """

    time_ns: int
    attachment: int
    source_ip: int
    source_port: int
    what: str
    key: bytes
    file_id: bytes = b""
    size: int = 0
    name: str = ""
    tags: tuple[tuple[str, str], ...] = ()
