"""Who may fail at once of the monitors that rTorrent asks in one search, and who waits for an escort.

rTorrent asks three nodes at a time. An error ends a query without the next one being asked, and a search whose open
queries all end so is given up. So two monitors of a search fail at once, and a further one holds its error back until
a monitor that may answer is asked: its answer, sent after the errors, makes the search go on.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from montra.datagrams import StrangerReply

#: rTorrent asks three at a time, and one of them must not fail.
_AT_ONCE: Final = 2
#: A query of rTorrent is open for so long.
_SPAN_NS: Final = 30_000_000_000
_MOST_SEARCHES: Final = 4096


@dataclass(slots=True)
class _Search:
    begin_ns: int
    failed: int = 0
    held: list[StrangerReply] = field(default_factory=list)


class Escorts:
    """All searches of the last half minute, the oldest forgotten first; of each, three monitors at most are unsafe."""

    def __init__(self) -> None:
        self._searches: OrderedDict[tuple[int, int, bytes], _Search] = OrderedDict()

    def fails_at_once(self, now_ns: int, key: bytes, error: StrangerReply) -> bool:
        """Tell whether an error goes out now; if not it is kept for `release`."""
        search = self._search(now_ns, (error.ip, error.port, key))
        if search.failed < _AT_ONCE:
            search.failed += 1
            return True
        search.held = [error]  # the third; a fourth would be a repeat
        return False

    def release(self, now_ns: int, key: bytes, ip: int, port: int) -> list[StrangerReply]:
        """Return the errors that waited for somebody to answer in this search."""
        search = self._searches.get((ip, port, key))
        if search is None or now_ns - search.begin_ns >= _SPAN_NS:
            return []
        held, search.held = search.held, []
        return held

    def _search(self, now_ns: int, name: tuple[int, int, bytes]) -> _Search:
        search = self._searches.get(name)
        if search is None or now_ns - search.begin_ns >= _SPAN_NS:
            self._searches.pop(name, None)
            search = self._searches[name] = _Search(now_ns)
            if len(self._searches) > _MOST_SEARCHES:
                self._searches.popitem(last=False)
        return search
