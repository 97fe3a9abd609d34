"""What one worker is still to be told: bounded, and never more than the newest about each node.

A worker that reads slowly thus costs the crawl neither time nor memory. What is left out is counted and made good: once
the backlog is empty again the worker is told of all known nodes.
"""

from __future__ import annotations

from collections import OrderedDict

from montra.monitors.roster import address_key
from montra.processes.messages import Changed, Found, Gone, News, View


class Backlog:
    """News of nodes by address, oldest first, and views after them, since a view of an unknown node tells less.

    max_nodes: addresses held. behind: something was left out since the last `clear`.
    """

    def __init__(self, max_nodes: int) -> None:
        self._max_nodes = max_nodes
        # with the ID that the worker knew before all of it, b"" for none
        self._news: OrderedDict[int, tuple[bytes, Found | Changed | Gone]] = OrderedDict()
        self._views: OrderedDict[int, View] = OrderedDict()
        self.behind = False

    def __len__(self) -> int:
        """Return the nodes there is news of; views, which only confirm, are not counted."""
        return len(self._news)

    def put(self, news: News) -> bool:
        """Take news, joined with what waits about the same node; False if there was no room for it."""
        key = address_key(news.ip, news.port)
        if isinstance(news, View):
            if key not in self._views and len(self._views) >= self._max_nodes:
                return False  # the next crawl brings another
            self._views[key] = news
            return True
        first_id, before = self._news.get(key, (b"", None))
        if before is None:
            if len(self._news) >= self._max_nodes:
                self.behind = True
                return False
            first_id = _known_id(news)
        self._news[key] = first_id, _from(first_id, news)
        return True

    def take(self, most: int) -> list[News]:
        """Return the next news, at most so many."""
        taken: list[News] = []
        while self._news and len(taken) < most:
            taken.append(self._news.popitem(last=False)[1][1])
        while self._views and len(taken) < most:
            taken.append(self._views.popitem(last=False)[1])
        return taken

    def clear(self) -> None:
        """Forget everything: the worker is another, or is told all anew."""
        self._news.clear()
        self._views.clear()
        self.behind = False


def _known_id(news: Found | Changed | Gone) -> bytes:
    """Return the ID under which a worker knows the node that there is news of."""
    match news:
        case Changed():
            return news.old_id
        case Gone():
            return news.node_id
    return b""


def _from(known_id: bytes, news: Found | Changed | Gone) -> Found | Changed | Gone:
    """Return news in terms of the ID that the worker knows, for it is not told of those in between."""
    if known_id and isinstance(news, Changed):
        return Changed(known_id, news.node_id, news.ip, news.port, news.ours)
    if known_id and isinstance(news, Gone):
        return Gone(known_id, news.ip, news.port)
    return news
