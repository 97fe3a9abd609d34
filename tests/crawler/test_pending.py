import random
from collections import Counter

from crawler.pending import Transactions
from crawler.questions import Lane, Purpose, Question

HERE, ELSEWHERE = (0x14000001, 6881), (0x14000002, 6881)


def question(address: tuple[int, int] = HERE) -> Question:
    return Question(address, b"\x01" * 20, Purpose.OWN_ID, Lane.FRESH)


def transactions(remembered: int = 100) -> tuple[Transactions, Counter[str]]:
    counters: Counter[str] = Counter()
    return Transactions(random.Random(1), 2_000, remembered, counters), counters


def test_an_answer_needs_the_transaction_and_the_address() -> None:
    table, counters = transactions()
    asked = question()
    transaction = table.open(0, asked)
    assert len(transaction) == 4
    assert table.match(transaction, ELSEWHERE) is None
    assert table.match(transaction, (HERE[0], 6882)) is None
    assert table.match(b"\x00\x00\x00\x00", HERE) is None
    assert table.match(b"", HERE) is None
    assert counters == {"unexpected_reply": 4}
    assert table.match(transaction, HERE) is asked
    assert len(table) == 0


def test_a_second_answer_is_a_duplicate() -> None:
    table, counters = transactions()
    transaction = table.open(0, question())
    table.match(transaction, HERE)
    assert table.match(transaction, HERE) is None
    assert counters == {"duplicate_reply": 1}


def test_questions_expire_in_order_and_once() -> None:
    table, _ = transactions()
    first, second = question(), question(ELSEWHERE)
    table.open(0, first)
    table.open(500, second)
    assert table.due() == 2_000
    assert table.expire(1_999) == []
    assert table.expire(2_000) == [first]
    assert table.due() == 2_500
    assert table.expire(9_999) == [second]
    assert table.due() is None


def test_an_answer_after_the_timeout_still_counts() -> None:
    table, counters = transactions()
    asked = question()
    transaction = table.open(0, asked)
    table.expire(2_000)
    assert table.match(transaction, HERE) is asked
    assert counters == {"late_reply": 1}


def test_a_retry_of_an_answered_question_does_not_expire() -> None:
    table, counters = transactions()
    asked = question()
    first = table.open(0, asked)
    table.expire(2_000)
    second = table.open(2_000, asked)
    assert table.match(first, HERE) is asked
    assert table.expire(4_000) == []
    assert table.match(second, HERE) is None
    assert counters == {"late_reply": 1, "duplicate_reply": 1}


def test_what_is_past_is_remembered_within_bounds() -> None:
    table, counters = transactions(remembered=2)
    sent = [table.open(0, question()) for _ in range(3)]
    table.expire(2_000)
    assert table.match(sent[0], HERE) is None
    assert counters == {"unexpected_reply": 1}
    assert table.match(sent[2], HERE) is not None


def test_many_transactions_differ_and_do_not_follow_a_pattern() -> None:
    table, _ = transactions()
    sent = [table.open(0, question()) for _ in range(70_000)]
    assert len(set(sent)) == 70_000
    assert len({transaction[2:] for transaction in sent[:256]}) > 200
