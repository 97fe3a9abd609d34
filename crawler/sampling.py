"""How many further questions a crawl still needs: all while they bring news, a sample once they do not."""

from __future__ import annotations

import random

#: Further questions asked in each crawl whatever they bring: enough for the estimate of completeness (completeness.py).
_ALWAYS = 1024

#: Answers over which the share of news is averaged (exponentially), and the share below which a zone is exhausted.
_SPAN = 256
_NEWS = 0.01


class Sampling:
    """Decides, question by question, whether a slice is still asked for.

    Neighbours come with each node's own ID; slices are for what no neighbour names. Once hardly any reply to one names
    a node that is still to be asked, the zone has no unknown corner of size: a `share` of the nodes is asked on, to
    notice if it has, and as the sample that completeness is estimated from.
    """

    def __init__(self, share: float, rng: random.Random) -> None:
        self._share = share
        self._rng = rng
        self._asked = 0
        self._news = 1.0

    @property
    def exhausted(self) -> bool:
        """Whether a sample does."""
        return self._news < _NEWS and self._asked >= _ALWAYS

    def begin(self) -> None:
        """Start a crawl: everything may be new."""
        self._asked = 0
        self._news = 1.0

    def wants(self) -> bool:
        """Tell whether one more slice should be asked for; each is drawn for once."""
        if self.exhausted and self._rng.random() >= self._share:
            return False
        self._asked += 1
        return True

    def answered(self, news: bool) -> None:
        """Note an answer: whether it named somebody who is still to be asked."""
        self._news += (news - self._news) / _SPAN
