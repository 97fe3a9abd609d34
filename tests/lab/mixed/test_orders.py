"""Orders: who is told to search, how often, and that each search is given up again."""

import random
from dataclasses import dataclass, field
from typing import Any

from montra.lab.clients.client import ClientError
from montra.lab.mixed.orders import FORGET_S, Orders


@dataclass
class FakeClient:
    willing: bool = True
    told: list[tuple[str, bytes]] = field(default_factory=list)

    def search(self, key: bytes) -> None:
        if not self.willing:
            raise ClientError("no")
        self.told.append(("search", key))

    def forget(self, key: bytes) -> None:
        self.told.append(("forget", key))


@dataclass
class FakeMember:
    client: FakeClient = field(default_factory=FakeClient)
    settled_s: float = 0.0
    down_ns: int = 0


def orders(keys: int = 10_000, per_s: float = 0.1) -> Orders:
    return Orders((number.to_bytes(20, "big") for number in range(keys)), per_s, random.Random(1))


def play(made: Orders, members: list[Any], from_s: int, to_s: int, open_until_s: float) -> None:
    for tick in range(from_s * 20, to_s * 20):
        made.poll(members, tick / 20, tick * 50_000_000, open_until_s)


def test_each_member_searches_at_its_rate_for_keys_of_its_own() -> None:
    made, members = orders(), [FakeMember() for _ in range(20)]
    play(made, members, 0, 200, 200.0)
    assert 340 < len(made.searches) < 460  # 20 members, 0.1 a second, 200 s
    assert len({search.key for search in made.searches}) == len(made.searches)
    assert {search.member for search in made.searches} == set(range(20))
    assert made.refused == 0


def test_nobody_is_told_before_it_is_settled_or_after_it_left() -> None:
    made = orders(per_s=1.0)
    members = [FakeMember(settled_s=50.0), FakeMember(down_ns=1)]
    play(made, members, 0, 60, 60.0)
    assert {search.member for search in made.searches} == {0}
    assert min(search.t_ns for search in made.searches) >= 50_000_000_000


def test_searches_end_when_the_workload_does_and_are_forgotten() -> None:
    made, member = orders(per_s=1.0), FakeMember()
    play(made, [member], 0, 20, 10.0)
    searched = [key for what, key in member.client.told if what == "search"]
    assert max(search.t_ns for search in made.searches) < 10_000_000_000
    assert [what for what, _ in member.client.told] == ["search"] * len(searched)
    play(made, [member], 20, 20 + int(FORGET_S), 10.0)
    assert [key for what, key in member.client.told if what == "forget"] == searched


def test_what_a_program_does_not_take_is_counted_and_no_search() -> None:
    made = orders(per_s=1.0)
    play(made, [FakeMember(FakeClient(willing=False))], 0, 20, 20.0)
    assert made.searches == []
    assert made.refused > 5


def test_no_key_no_search() -> None:
    made = orders(keys=2, per_s=1.0)
    play(made, [FakeMember()], 0, 60, 60.0)
    assert len(made.searches) == 2
