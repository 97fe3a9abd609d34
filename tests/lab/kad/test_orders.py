"""The plan: every file shared, searches spread, nobody told to do what it cannot."""

import itertools
import random
from collections import defaultdict
from pathlib import Path

from montra.lab.kad.orders import SEARCH_S, Order, plan
from montra.lab.kad.population import populate
from montra.lab.kad.settings import KadLabSettings, KadWorkload

RATE = 10.0
PEOPLE = populate(KadLabSettings(out=Path("out"), nodes=40, publishers=(20, 5, 1), words=30))
WORKLOAD = KadWorkload(duration_s=60.0, searches=150, downloads=20, share_within_s=10.0)


def planned(seed: int = 1, workload: KadWorkload = WORKLOAD) -> list[Order]:
    return plan(workload, PEOPLE, RATE, random.Random(seed))


def test_each_publisher_is_given_its_files_in_time() -> None:
    shares = [(order.node, order.share.hash) for order in planned() if order.share]
    assert sorted(shares) == sorted((index, file.hash) for file in PEOPLE.files for index in file.publishers)
    assert all(0 <= order.at_s <= 10.0 for order in planned() if order.share)


def test_orders_come_by_time_and_within_the_duration() -> None:
    times = [order.at_s for order in planned()]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= 60.0


def test_a_node_searches_no_word_twice_none_of_its_own_and_not_while_it_searches() -> None:
    own = {(index, word) for file in PEOPLE.files for index in file.publishers for word in file.words}
    by_node = defaultdict(list)
    for order in planned():
        if order.word:
            assert (order.node, order.word) not in own
            by_node[order.node].append(order)
    assert sum(map(len, by_node.values())) == 150
    for orders in by_node.values():
        assert len({order.word for order in orders}) == len(orders)
        gaps = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(orders)]
        assert min(gaps, default=SEARCH_S) >= SEARCH_S / RATE


def test_nobody_fetches_what_it_shares() -> None:
    fetches = [order for order in planned() if order.fetch]
    assert len({(order.node, order.fetch.hash) for order in fetches if order.fetch}) == len(fetches) == 20
    assert not any(order.node in order.fetch.publishers for order in fetches if order.fetch)


def test_more_searches_than_nodes_can_make_are_left_out() -> None:
    workload = KadWorkload(duration_s=1.0, searches=150, share_within_s=0.0)
    assert sum(bool(order.word) for order in planned(workload=workload)) == 40


def test_the_same_seed_gives_the_same_plan() -> None:
    assert planned() == planned()
    assert planned(2) != planned()
