import random
from collections import Counter

from crawler.dispatch import Dispatch
from crawler.questions import Lane, Purpose, Question
from crawler.settings import CrawlSettings

from .simnet import OWN_ID, WIRE

S = 1_000_000_000


def dispatch(settings: CrawlSettings) -> Dispatch:
    return Dispatch(WIRE, OWN_ID, random.Random(1), settings, Counter(), lambda: None)


def question(number: int, lane: Lane = Lane.FRESH) -> Question:
    return Question((number, 6881), number.to_bytes(20), Purpose.OWN_ID, lane)


def test_the_datagram_is_the_overlays_query() -> None:
    sender = dispatch(CrawlSettings())
    sender.queue(0, question(5))
    ((ip, port, payload),) = sender.send(0)
    transaction = WIRE.parse(payload).transaction
    assert (ip, port) == (5, 6881)
    assert payload == b"q" + transaction + OWN_ID + (5).to_bytes(20)
    assert sender.match(transaction, (5, 6881)) is not None
    assert (sender.take_queries(), sender.take_queries()) == (1, 0)


def test_at_most_so_many_are_in_flight() -> None:
    sender = dispatch(CrawlSettings(max_in_flight=3, max_pps=1e6, timeout_s=2.0))
    for number in range(1, 6):
        sender.queue(0, question(number))
    assert len(sender.send(0)) == 3
    assert sender.due(0) == 2 * S  # nothing can be done before a timeout
    assert len(sender.expire(2 * S)) == 3
    assert sender.due(2 * S) == 2 * S
    assert len(sender.send(2 * S)) == 2


def test_two_questions_to_one_address_keep_their_distance() -> None:
    sender = dispatch(CrawlSettings(spacing_s=1.0))
    for _ in range(3):
        sender.queue(0, question(1))
    assert len(sender.send(0)) == 1
    assert sender.due(0) == S
    assert len(sender.send(S - 1)) == 0
    assert len(sender.send(S)) == 1
    assert sender.due(S) == 2 * S


def test_the_pace_holds_over_all() -> None:
    sender = dispatch(CrawlSettings(max_pps=100.0, max_in_flight=10_000))
    for number in range(1, 1_001):
        sender.queue(0, question(number))
    sent, now = 0, 0
    while now < S:
        sent += len(sender.send(now))
        due = sender.due(now)
        assert due is not None
        assert due > now
        now = due
    assert 100 <= sent <= 103


def test_a_question_closed_while_queued_is_not_sent() -> None:
    sender = dispatch(CrawlSettings())
    closed = question(1)
    sender.queue(0, closed)
    closed.closed = True
    assert sender.send(0) == []
    assert sender.due(0) is None


def test_idle_is_never_due() -> None:
    assert dispatch(CrawlSettings()).due(5) is None
