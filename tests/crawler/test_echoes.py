from collections import Counter

from crawler.echoes import Echoes
from crawler.questions import Lane, Purpose, Question

HERE, ELSEWHERE = (0x14000001, 4672), (0x14000002, 4672)
ONE, TWO = b"\x01" * 16, b"\x02" * 16


def question(target: bytes = ONE, address: tuple[int, int] = HERE) -> Question:
    return Question(address, target, Purpose.OWN_ID, Lane.FRESH)


def echoes(remembered: int = 100) -> tuple[Echoes, Counter[str]]:
    counters: Counter[str] = Counter()
    return Echoes(lambda asked: asked.target, 2_000, remembered, counters), counters


def test_an_answer_needs_the_echo_and_the_address() -> None:
    table, counters = echoes()
    asked = question()
    assert table.open(0, asked) == b""
    assert table.match(ONE, ELSEWHERE) is None
    assert table.match(ONE, (HERE[0], 4673)) is None
    assert table.match(TWO, HERE) is None
    assert counters == {"unexpected_reply": 3}
    assert len(table) == 1
    assert table.match(ONE, HERE) is asked
    assert asked.answered
    assert len(table) == 0


def test_equal_questions_are_answered_in_the_order_they_were_asked() -> None:
    table, counters = echoes()
    first, second = question(), question()
    table.open(0, first)
    table.open(5, second)
    assert len(table) == 2
    assert table.match(ONE, HERE) is first
    assert table.due() == 2_005
    assert table.match(ONE, HERE) is second
    assert table.match(ONE, HERE) is None
    assert counters == {"duplicate_reply": 1}


def test_questions_expire_in_order_and_late_answers_still_count() -> None:
    table, counters = echoes()
    first, second = question(), question(TWO)
    table.open(0, first)
    table.open(5, second)
    assert table.due() == 2_000
    assert table.expire(1_999) == []
    assert table.expire(2_000) == [first]
    assert table.match(ONE, HERE) is first
    assert counters == {"late_reply": 1}
    assert table.expire(3_000) == [second]
    assert table.due() is None
    assert len(table) == 0


def test_an_answer_goes_to_the_question_put_again_and_the_late_one_to_nobody() -> None:
    table, counters = echoes()
    asked = question()
    table.open(0, asked)
    assert table.expire(2_000) == [asked]
    table.open(6_500, asked)
    assert table.match(ONE, HERE) is asked
    assert table.match(ONE, HERE) is None
    assert counters == {"duplicate_reply": 1}
    assert table.expire(10_000) == []


def test_only_so_many_of_the_past_are_remembered() -> None:
    table, counters = echoes(remembered=2)
    for number in range(3):
        table.open(0, question(bytes([number]) * 16))
    assert len(table.expire(2_000)) == 3
    assert table.match(bytes(16), HERE) is None
    assert table.match(ONE, HERE) is not None
    assert counters == {"unexpected_reply": 1, "late_reply": 1}
