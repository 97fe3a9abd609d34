"""Questions under way, however their replies are told apart: timeouts, late and repeated answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

from crawler.questions import Question

Key = TypeVar("Key")


class OpenQuestions(ABC, Generic[Key]):
    """Questions under way, each under a key that its reply gives.

    Those that were answered or timed out are remembered for a while (`remembered` of them): an answer after the timeout
    still tells that the node is alive. How questions are kept while they are open is the subclasses'.
    """

    def __init__(self, timeout_ns: int, remembered: int, counters: Counter[str]) -> None:
        self._timeout_ns = timeout_ns
        self._remembered = remembered
        self._counters = counters
        # One timeout for all: the order of opening is the order of expiry. Answered ones stay in it until their time.
        self._order: deque[tuple[int, Key, Question]] = deque()
        self._past: OrderedDict[Key, Question] = OrderedDict()

    @abstractmethod
    def _is_open(self, key: Key, question: Question) -> bool:
        """Tell whether this question waits under this key."""

    @abstractmethod
    def _close(self, key: Key, question: Question) -> None:
        """Take out an open question."""

    def expire(self, now_ns: int) -> list[Question]:
        """Take out the questions whose time is over, oldest first; answered ones among them are left out."""
        expired = []
        while self._order and self._order[0][0] <= now_ns:
            _, key, question = self._order.popleft()
            if self._is_open(key, question):
                self._end(key, question)
                if not question.answered:
                    expired.append(question)
        return expired

    def due(self) -> int | None:
        """Return when the next question times out, None if none is open."""
        while self._order and not self._is_open(*self._order[0][1:]):
            self._order.popleft()
        return self._order[0][0] if self._order else None

    def _answered(self, key: Key, question: Question, is_open: bool) -> Question | None:
        """Note an answer; return the question if it is the first to it."""
        if is_open:
            self._end(key, question)
        if question.answered:
            self._counters["duplicate_reply"] += 1
            return None
        if not is_open:
            self._counters["late_reply"] += 1
        question.answered = True
        return question

    def _end(self, key: Key, question: Question) -> None:
        """Move an open question to those of the past."""
        self._close(key, question)
        self._past[key] = question
        self._past.move_to_end(key)
        if len(self._past) > self._remembered:
            self._past.popitem(last=False)
