"""Open questions by transaction: what a DHT with transactions needs to match answers."""

from __future__ import annotations

import random
from collections import Counter

from crawler.open_questions import OpenQuestions
from crawler.pace import Address
from crawler.questions import Question


class Transactions(OpenQuestions[bytes]):
    """Questions under way, each under a transaction of 4 bytes: 2 counted, so that they differ, 2 drawn, so that a
    stranger cannot guess them.

    An answer must come from the address asked.
    """

    def __init__(self, rng: random.Random, timeout_ns: int, remembered: int, counters: Counter[str]) -> None:
        super().__init__(timeout_ns, remembered, counters)
        self._rng = rng
        self._serial = rng.getrandbits(16)
        self._open: dict[bytes, Question] = {}

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
        return self._answered(transaction, question, is_open)

    def _is_open(self, key: bytes, question: Question) -> bool:
        return self._open.get(key) is question

    def _close(self, key: bytes, question: Question) -> None:
        del self._open[key]

    def _draw(self) -> bytes:
        return (self._serial << 16 | self._rng.getrandbits(16)).to_bytes(4, "big")
