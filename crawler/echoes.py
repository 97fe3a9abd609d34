"""Open questions of a DHT without transactions: matched by the address asked and by what its reply repeats.

What is repeated can be guessed by strangers who forge their source, where it is the node's own ID. Nodes that prove
their address are safe from it once they have answered (`population.Node.proved`), what others can add is bounded
(`intake.Intake`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from crawler.pace import Address
from crawler.questions import Question

_Key = tuple[Address, bytes]


class Echoes:
    """Questions under way, in place of `pending.Transactions` and with its meaning: timeouts, late answers, repeats.

    echo: what the reply to a question repeats. Of several open questions with the same address and echo, the one that
    was asked first is answered first.
    """

    def __init__(
        self, echo: Callable[[Question], bytes], timeout_ns: int, remembered: int, counters: Counter[str]
    ) -> None:
        self._echo = echo
        self._timeout_ns = timeout_ns
        self._remembered = remembered
        self._counters = counters
        self._open: dict[_Key, list[Question]] = {}
        self._count = 0
        # One timeout for all: the order of opening is the order of expiry. Answered ones stay in it until their time.
        self._order: deque[tuple[int, _Key, Question]] = deque()
        self._past: OrderedDict[_Key, Question] = OrderedDict()

    def __len__(self) -> int:
        return self._count

    def open(self, now_ns: int, question: Question) -> bytes:
        """Note a question that leaves now; its query carries no transaction."""
        key = question.address, self._echo(question)
        self._open.setdefault(key, []).append(question)
        self._count += 1
        self._order.append((now_ns + self._timeout_ns, key, question))
        return b""

    def match(self, transaction: bytes, address: Address) -> Question | None:
        """Return the question that this answers; None, and counted, if it answers none or answers it again."""
        key = address, transaction
        is_open = key in self._open
        question = self._open[key][0] if is_open else self._past.get(key)
        if question is None:
            self._counters["unexpected_reply"] += 1
            return None
        if is_open:
            self._take(key, question)
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
            _, key, question = self._order.popleft()
            if question in self._open.get(key, ()):
                self._take(key, question)
                if not question.answered:
                    expired.append(question)
        return expired

    def due(self) -> int | None:
        """Return when the next question times out, None if none is open."""
        while self._order and self._order[0][2] not in self._open.get(self._order[0][1], ()):
            self._order.popleft()
        return self._order[0][0] if self._order else None

    def _take(self, key: _Key, question: Question) -> None:
        """Move an open question to those of the past."""
        waiting = self._open[key]
        waiting.remove(question)
        if not waiting:
            del self._open[key]
        self._count -= 1
        self._past[key] = question
        self._past.move_to_end(key)
        if len(self._past) > self._remembered:
            self._past.popitem(last=False)
