"""Who may fail at once of the monitors that rTorrent asks in one search, and who waits for an escort.

rTorrent asks three nodes at a time. An error ends a query without the next one being asked, and a search whose open
queries all end so is given up. So two monitors of a search fail at once, and a further one holds its error back until
a monitor that may answer is asked: its answer, sent after the errors, makes the search go on.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from montra.datagrams import StrangerReply

#: rTorrent asks three at a time, and one of them must not fail.
_AT_ONCE: Final = 2
#: A query of rTorrent is open for so long.
_SPAN_NS: Final = 30_000_000_000
_MOST_SEARCHES: Final = 4096

#: A search of one requester: (ip, port, key).
Search = tuple[int, int, bytes]


@dataclass(slots=True)
class _State:
    begin_ns: int
    failed: int = 0
    held: StrangerReply | None = None


class Escorts:
    """All searches of the last half minute, the oldest forgotten first; of each, three monitors at most are unsafe."""

    def __init__(self) -> None:
        self._searches: OrderedDict[Search, _State] = OrderedDict()

    def fails_at_once(self, now_ns: int, search: Search) -> bool:
        """Tell whether an error of this search goes out now; if not it is to be kept (`hold`)."""
        state = self._searches.get(search)
        if state is None or now_ns - state.begin_ns >= _SPAN_NS:
            self._searches.pop(search, None)  # so that the new one is the youngest
            state = self._searches[search] = _State(now_ns)
            if len(self._searches) > _MOST_SEARCHES:
                self._searches.popitem(last=False)
        if state.failed >= _AT_ONCE:
            return False
        state.failed += 1
        return True

    def hold(self, search: Search, error: StrangerReply) -> None:
        """Keep an error of a search that `fails_at_once` knows, in place of any other: a fourth would be a repeat."""
        self._searches[search].held = error

    def release(self, now_ns: int, search: Search) -> StrangerReply | None:
        """Return the error that waited for somebody to answer in this search, if there is one."""
        state = self._searches.get(search)
        if state is None or now_ns - state.begin_ns >= _SPAN_NS:
            return None
        held, state.held = state.held, None
        return held
