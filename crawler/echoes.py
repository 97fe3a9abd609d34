"""Open questions of a DHT without transactions: matched by the address asked and by what its reply repeats.

What is repeated can be guessed by strangers who forge their source, where it is the node's own ID. Nodes that prove
their address are safe from it once they have answered (`population.Node.proved`), what others can add is bounded
(`intake.Intake`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from crawler.open_questions import OpenQuestions
from crawler.pace import Address
from crawler.questions import Question

_Key = tuple[Address, bytes]


class Echoes(OpenQuestions[_Key]):
    """Questions under way, in place of `pending.Transactions`.

    echo: what the reply to a question repeats. Of several open questions with the same address and echo, the one that
    was asked first is answered first.
    """

    def __init__(
        self, echo: Callable[[Question], bytes], timeout_ns: int, remembered: int, counters: Counter[str]
    ) -> None:
        super().__init__(timeout_ns, remembered, counters)
        self._echo = echo
        self._open: dict[_Key, list[Question]] = {}
        self._count = 0

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
        return self._answered(key, question, is_open)

    def _is_open(self, key: _Key, question: Question) -> bool:
        return question in self._open.get(key, ())

    def _close(self, key: _Key, question: Question) -> None:
        waiting = self._open[key]
        waiting.remove(question)
        if not waiting:
            del self._open[key]
        self._count -= 1
