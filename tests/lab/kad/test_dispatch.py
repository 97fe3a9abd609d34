"""Orders: given when due, a few at once, asked again where nobody answered, refusals kept."""

from pathlib import Path
from typing import Any

import pytest

from montra.lab.kad import dispatch
from montra.lab.kad.dispatch import Dispatch
from montra.lab.kad.orders import Order
from montra.lab.kad.population import KadNode, SharedFile, populate
from montra.lab.kad.settings import KadLabSettings
from montra.overlays.kad.ids import keyword_id

PEOPLE = populate(KadLabSettings(out=Path("out"), nodes=3, publishers=(2,), words=3))
FILE = PEOPLE.files[0]
OK, SEARCHING = "> Operation was successful.", "> Search in progress. Refetch results in a moment!"


class FakeDaemon:
    def __init__(self, node: KadNode) -> None:
        self.node = node
        self.shared: list[str] = []

    def share(self, file: SharedFile) -> None:
        self.shared.append(file.name)


class FakeCommand:
    """Answers, when let, what was last put down for its words."""

    given: list[tuple[int, str]]
    answers: dict[str, str]
    held = False

    def __init__(self, inside: Any, node: KadNode, words: str) -> None:
        self.words = words
        self.given.append((node.index, words))

    def done(self) -> bool:
        return not self.held

    def said(self) -> str:
        return self.answers.get(self.words, "")

    def kill(self) -> None:
        self.given.append((-1, self.words))


@pytest.fixture(autouse=True)
def commands(monkeypatch: pytest.MonkeyPatch) -> type[FakeCommand]:
    FakeCommand.given, FakeCommand.answers, FakeCommand.held = [], {}, False
    monkeypatch.setattr(dispatch, "Command", FakeCommand)
    return FakeCommand


def made(orders: list[Order]) -> tuple[Dispatch, list[FakeDaemon]]:
    daemons = [FakeDaemon(node) for node in PEOPLE.nodes]
    return Dispatch(None, daemons, orders, 100.0), daemons  # type: ignore[arg-type]


def test_gives_each_kind_of_order_when_it_is_due(commands: type[FakeCommand]) -> None:
    commands.answers = {"reload shared": OK, "search kad some": SEARCHING, f"add {FILE.link}": OK}
    orders = [Order(1.0, 0, share=FILE), Order(2.0, 1, word="some"), Order(3.0, 2, fetch=FILE)]
    giver, daemons = made(orders)
    giver.poll(100.9)
    assert commands.given == []
    for now_s in (101.0, 102.5, 103.0):
        giver.poll(now_s)
    assert commands.given == [(0, "reload shared"), (1, "search kad some"), (2, f"add {FILE.link}")]
    assert daemons[0].shared == [FILE.name]
    assert not giver.idle
    giver.poll(104.0)
    assert giver.idle
    assert [(one.index, one.kind, one.what, one.refusal) for one in giver.records] == [
        (0, "share", FILE.hash, ""),
        (1, "search", keyword_id("some").hex(), ""),
        (2, "download", FILE.hash, ""),
    ]


def test_keeps_why_an_order_was_refused_and_asks_thrice_where_nobody_answers(commands: type[FakeCommand]) -> None:
    commands.answers = {"search kad one": "> Request failed with the following error: no"}
    giver, _ = made([Order(0.0, 0, word="one"), Order(0.0, 1, word="two")])
    for _ in range(5):
        giver.poll(101.0)
    assert giver.idle
    assert [words for _, words in commands.given].count("search kad two") == 3
    assert [one.refusal for one in giver.records] == ["> Request failed with the following error: no", "no answer"]


def test_few_are_on_their_way_at_once_and_can_be_given_up(commands: type[FakeCommand]) -> None:
    commands.held = True
    giver, _ = made([Order(0.0, 0, word=f"word{number}") for number in range(10)])
    giver.poll(101.0)
    giver.poll(102.0)
    assert len(commands.given) == 4
    giver.kill()
    assert len(commands.given) == 8
