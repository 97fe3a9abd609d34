"""Open questions by transaction: matching answers, timeouts, late and repeated answers."""

from __future__ import annotations

import random
from collections import Counter, deque

from crawler.pace import Address
from crawler.questions import Question


class Transactions:
    """Questions under way, each under a transaction of 4 bytes: 2 counted, so that they differ, 2 drawn, so that a
    stranger cannot guess them.

    An answer must come from the address asked. Transactions that were answered or timed out are remembered for a
    while (`remembered` of them): an answer after the timeout still tells that the node is alive.
    """

    def __init__(self, rng: random.Random, timeout_ns: int, remembered: int, counters: Counter[str]) -> None:
        self._rng = rng
        self._timeout_ns = timeout_ns
        self._remembered = remembered
        self._counters = counters
        self._serial = rng.getrandbits(16)
        self._open: dict[bytes, Question] = {}
        # One timeout for all: the order of opening is the order of expiry. Answered ones stay in it until their time.
        self._order: deque[tuple[int, bytes, Question]] = deque()
        self._past: dict[bytes, Question] = {}
        self._past_order: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, now_ns: int, question: Question) -> bytes:
        """Return the transaction for a question that leaves now."""
        self._serial = (self._serial + 1) % 0x10000
        transaction = self._draw()
        while transaction in self._open or transaction in self._past:
            transaction = self._draw()
        self._open[transaction] = question
        self._order.append((now_ns + self._timeout_ns, transaction, question))
        return transaction

    def match(self, transaction: bytes, address: Address) -> Question | None:
        """Return the question that this answers; None, and counted, if it answers none or answers it again."""
        question = self._open.get(transaction)
        is_open = question is not None
        if question is None:
            question = self._past.get(transaction)
        if question is None or question.address != address:
            self._counters["unexpected_reply"] += 1
            return None
        if is_open:
            del self._open[transaction]
            self._remember(transaction, question)
        if question.answered:
            self._counters["duplicate_reply"] += 1
            return None
        if not is_open:
            self._counters["late_reply"] += 1
        question.answered = True
        return question

    def expire(self, now_ns: int) -> list[Question]:
        """Take out the questions whose time is over, oldest first; answered ones among them are left out."""
        expired = []
        while self._order and self._order[0][0] <= now_ns:
            _, transaction, question = self._order.popleft()
            if self._open.get(transaction) is question:
                del self._open[transaction]
                self._remember(transaction, question)
                if not question.answered:
                    expired.append(question)
        return expired

    def due(self) -> int | None:
        """Return when the next question times out, None if none is open."""
        while self._order and self._open.get(self._order[0][1]) is not self._order[0][2]:
            self._order.popleft()
        return self._order[0][0] if self._order else None

    def _draw(self) -> bytes:
        return (self._serial << 16 | self._rng.getrandbits(16)).to_bytes(4, "big")

    def _remember(self, transaction: bytes, question: Question) -> None:
        self._past[transaction] = question
        self._past_order.append(transaction)
        if len(self._past) > self._remembered:
            del self._past[self._past_order.popleft()]
