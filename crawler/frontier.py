"""The questions still to be sent: by lane, and none before its time."""

from __future__ import annotations

import heapq
from collections import deque

from crawler.questions import Lane, Question

#: Other questions that go between two probes, if any wait.
_BETWEEN_PROBES = 4


class Frontier:
    """Queues of questions: `pop` gives the most urgent one whose time has come."""

    def __init__(self) -> None:
        self._lanes: list[deque[Question]] = [deque() for _ in Lane]
        self._later: list[tuple[int, int, Question]] = []
        self._sequence = 0
        self._fresh_first = True
        self._since_probe = _BETWEEN_PROBES

    def __len__(self) -> int:
        return sum(map(len, self._lanes)) + len(self._later)

    def has(self, lane: Lane) -> bool:
        """Tell whether a question of this lane may leave now."""
        return bool(self._lanes[lane])

    def push(self, question: Question, ready_ns: int, now_ns: int) -> None:
        """Queue a question that may leave from `ready_ns` on."""
        if ready_ns <= now_ns:
            self._lanes[question.lane].append(question)
        else:
            # The sequence number keeps equal times in order of arrival, and questions from being compared.
            self._sequence += 1
            heapq.heappush(self._later, (ready_ns, self._sequence, question))

    def ripen(self, now_ns: int) -> None:
        """Move the questions whose time has come into their lanes."""
        while self._later and self._later[0][0] <= now_ns:
            question = heapq.heappop(self._later)[2]
            self._lanes[question.lane].append(question)

    def pop(self) -> Question | None:
        """Take the most urgent question whose time has come, None if there is none.

        A probe comes first, but is at most every fifth question as long as others wait: many probes delay a crawl by a
        quarter, and never stop it.
        """
        probes, entry, fresh, known, slices = self._lanes
        if probes and self._since_probe >= _BETWEEN_PROBES:
            self._since_probe = 0
            return probes.popleft()
        self._since_probe += 1
        if entry:
            return entry.popleft()
        if fresh and (self._fresh_first or not known):
            self._fresh_first = False
            return fresh.popleft()
        if known:
            self._fresh_first = True
            return known.popleft()
        if slices:
            return slices.popleft()
        self._since_probe = 0 if probes else _BETWEEN_PROBES  # nobody waits: the next probe need not either
        return probes.popleft() if probes else None

    def due(self) -> int | None:
        """Return when the next question may leave: 0 if one may already, None if there is none."""
        if any(self._lanes):
            return 0
        return self._later[0][0] if self._later else None

    def drop_crawl(self) -> int:
        """Forget the questions that belong to a crawl; return how many."""
        before = len(self)
        self._lanes = [deque(question for question in queue if not question.crawl) for queue in self._lanes]
        self._later = [item for item in self._later if not item[2].crawl]
        heapq.heapify(self._later)
        return before - len(self)
