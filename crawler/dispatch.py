"""Sends the questions: in order of urgency, within the rates, each under a transaction of its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from crawler.echoes import Echoes
from crawler.frontier import Frontier
from crawler.overlay import CrawlOverlay
from crawler.pace import Address, Pace, Spacing
from crawler.pending import Transactions
from crawler.questions import Lane, Purpose, Question
from crawler.settings import CrawlSettings, nanoseconds


class Dispatch:
    """Frontier, rates, and transactions or what stands for them, behind one door.

    refill: called when no known node is queued, to queue the next portion of them: a crawl of a large zone must not
    begin with queueing all at once. spare: asked when a slice is about to leave for the first time; True drops it.
    """

    def __init__(
        self,
        overlay: CrawlOverlay,
        own_id: bytes,
        rng: random.Random,
        settings: CrawlSettings,
        counters: Counter[str],
        refill: Callable[[], None],
        spare: Callable[[Question], bool] = lambda _question: False,
    ) -> None:
        self._overlay = overlay
        self._own_id = own_id
        self._max_in_flight = settings.max_in_flight
        self._refill = refill
        self._spare = spare
        self._frontier = Frontier()
        timeout_ns, remembered = nanoseconds(settings.timeout_s), 4 * settings.max_in_flight
        self._transactions: Transactions | Echoes
        if overlay.addressed:
            self._transactions = Echoes(self._echo, timeout_ns, remembered, counters)
        else:
            self._transactions = Transactions(rng, timeout_ns, remembered, counters)
        self._pace = Pace(settings.max_pps)
        self._spacing = Spacing(nanoseconds(settings.spacing_s))
        self._queries = 0

    @property
    def queued(self) -> int:
        """Questions not yet sent."""
        return len(self._frontier)

    @property
    def in_flight(self) -> int:
        """Questions sent, neither answered nor timed out."""
        return len(self._transactions)

    @property
    def queries(self) -> int:
        """Packets sent since the last `take_queries`."""
        return self._queries

    def take_queries(self) -> int:
        """Return how many packets were sent since the last call."""
        queries, self._queries = self._queries, 0
        return queries

    def queue(self, now_ns: int, question: Question, ready_ns: int = 0) -> None:
        """Queue a question: it leaves at `ready_ns` or later, and not too soon after the last to its address."""
        ready_ns = max(ready_ns, self._spacing.ready_ns(question.address))
        self._frontier.push(question, ready_ns, now_ns)

    def drop_crawl(self) -> int:
        """Forget the queued questions that belong to a crawl; return how many."""
        return self._frontier.drop_crawl()

    def match(self, transaction: bytes, address: Address) -> Question | None:
        """Return the question that a datagram with this transaction answers; None, and counted, if none."""
        return self._transactions.match(transaction, address)

    def expire(self, now_ns: int) -> list[Question]:
        """Take out the questions that timed out."""
        return self._transactions.expire(now_ns)

    def due(self, now_ns: int) -> int | None:
        """Return when a question can be sent or times out; None if there is none."""
        wake = [self._transactions.due()]
        if len(self._transactions) < self._max_in_flight:
            ready_ns = self._frontier.due()
            wake.append(None if ready_ns is None else max(ready_ns, self._pace.due(now_ns)))
        return min((at_ns for at_ns in wake if at_ns is not None), default=None)

    def send(self, now_ns: int) -> list[tuple[int, int, bytes]]:
        """Return the datagrams that may leave now."""
        out: list[tuple[int, int, bytes]] = []
        frontier, spacing, transactions = self._frontier, self._spacing, self._transactions
        frontier.ripen(now_ns)
        room = min(self._max_in_flight - len(transactions), self._pace.allows(now_ns))
        while len(out) < room:
            if not frontier.has(Lane.KNOWN):
                self._refill()
            question = frontier.pop()
            if question is None:
                break
            if question.closed:  # its late answer overtook the retry
                continue
            address = question.address
            ready_ns = spacing.ready_ns(address)
            if ready_ns > now_ns:
                frontier.push(question, ready_ns, now_ns)
                continue
            if question.purpose is Purpose.SLICE and not question.tries and self._spare(question):
                continue
            question.tries += 1
            spacing.spend(now_ns, address)
            transaction = transactions.open(now_ns, question)
            query = self._overlay.crawl_query(self._own_id, question.target, transaction, question.node_id)
            out.append((*address, query))
        self._pace.spend(now_ns, len(out))
        self._queries += len(out)
        return out

    def _echo(self, question: Question) -> bytes:
        """Return what tells the reply to a question where there are no transactions."""
        return self._overlay.crawl_echo(b"", question.target, question.node_id)
