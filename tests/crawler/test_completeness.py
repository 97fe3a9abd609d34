"""Capture-recapture: literal values, and whether the intervals hold the truth on populations of known size."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.completeness import UNKNOWN, Completeness, chapman, estimate, population_interval
from crawler.events import CrawlDone
from crawler.settings import CrawlSettings
from crawler.zone_crawler import ZoneCrawler

from .simnet import OWN_ID, START, WIRE, ZONE, SimNet, SimNode, reply


def test_chapman_by_hand() -> None:
    assert chapman(24, 19, 9) == 49.0  # 25 * 20 / 10 - 1
    assert chapman(100, 100, 100) == 100.0


def test_estimate_by_hand() -> None:
    # 100 known, 60 of them sampled, and 15 unknown ones: 100 * 75 / 60 = 125 by Petersen, 124.8 by Chapman.
    known = estimate(found=115, marked=100, sampled=75, recaptured=60)
    assert known.population == pytest.approx(101 * 76 / 61 - 1)
    assert known.share == pytest.approx(115 / known.population)
    assert known.low < 115 / 125 < known.high < 1.0


def test_interval_ends_have_the_chi_square_of_five_percent() -> None:
    marked, sampled, recaptured = 100, 75, 60
    for end in population_interval(marked, sampled, recaptured):
        a, b = recaptured, marked - recaptured
        c, d = sampled - recaptured, end - marked - (sampled - recaptured)
        if d == 0:
            continue
        chi_square = end * (a * d - b * c) ** 2 / ((a + b) * (c + d) * (a + c) * (b + d))
        assert chi_square == pytest.approx(3.841458820694124)


def test_interval_does_not_collapse_when_every_sampled_node_was_known() -> None:
    # A sample that finds half of the known ones and nobody else leaves room for a few that it missed.
    low, high = population_interval(marked=100, sampled=50, recaptured=50)
    assert low == 100.0
    assert 103.0 < high < 105.0
    # One that finds all known ones and nobody else does not.
    assert population_interval(100, 100, 100) == (100.0, pytest.approx(100.0))


def test_too_few_recaptures_say_nothing() -> None:
    assert estimate(found=20, marked=10, sampled=10, recaptured=6) == UNKNOWN
    assert Completeness(0.0, 0.0, 0.0, 1.0) == UNKNOWN
    assert estimate(0, 0, 0, 0) == UNKNOWN
    assert estimate(found=13, marked=10, sampled=10, recaptured=7) != UNKNOWN


@pytest.mark.parametrize("counts", [(10, 10, 10, 11), (10, 8, 8, 5), (10, 5, 5, -1)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        estimate(*counts)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 50))
def test_estimates_are_ordered_and_never_below_what_was_found(marked: int, new: int, both: int, more: int) -> None:
    both = min(both, marked)
    found = marked + new + more
    known = estimate(found, marked, both + new, both)
    if known is UNKNOWN:
        return
    assert known.population >= found
    assert 0.0 < known.low <= known.share <= known.high <= 1.0


@pytest.mark.parametrize("known_share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("capture", [0.3, 0.6, 0.95])
def test_intervals_hold_the_truth_under_equal_capture(known_share: float, capture: float) -> None:
    rng = random.Random(f"{known_share} {capture}")
    held = 0
    for _ in range(400):
        marked = sum(rng.random() < known_share for _ in range(300))
        recaptured = sum(rng.random() < capture for _ in range(marked))
        new = sum(rng.random() < capture for _ in range(300 - marked))
        known = estimate(marked + new, marked, recaptured + new, recaptured)
        held += known.low <= (marked + new) / 300 <= known.high
    assert held >= 0.92 * 400


class Partial:
    """A network whose nodes name few others, drawn anew for each random question: weight decides how often."""

    def __init__(self, seed: int, weights: list[float], named: int = 2, own_id_names: int = 0) -> None:
        self.net = SimNet(seed)
        self.named = named
        self.own_id_names = own_id_names
        self.weights = weights
        for _ in weights:
            self.net.add(ZONE.random_id(self.net.rng)).answer = self._answer
        self.all = list(self.net.nodes.values())
        bootstrap = [(n.ip, n.port) for n in self.all[:8]]
        self.crawler = ZoneCrawler(WIRE, ZONE, OWN_ID, bootstrap, random.Random(seed), CrawlSettings(max_pps=1e5))
        self.crawler.start(START)
        self._now = START

    def _answer(self, node: SimNode, transaction: bytes, target: bytes) -> list[bytes]:
        count = self.own_id_names if target == node.node_id else self.named
        chosen = self.net.rng.choices(self.all, self.weights, k=count)
        return [reply(transaction, node.node_id, [other.contact for other in chosen])]

    def crawl(self, crawls: int) -> CrawlDone:
        """Run so many crawls; return the last one's report."""
        self._now, events = self.net.run(self.crawler, self._now, crawls=crawls)
        return [event for event in events if isinstance(event, CrawlDone)][-1]


def test_crawls_of_partly_listed_networks_hold_the_truth() -> None:
    held = 0
    for seed in range(40):
        row = Partial(seed, [1.0] * 200).crawl(2).row
        assert row.answered < 200
        held += row.completeness_low <= row.answered / 200 <= row.completeness_high
    assert held >= 35


def test_liveness_is_not_discovery() -> None:
    # In the second crawl everybody known answers again, but nobody is named: that says nothing about completeness.
    network = Partial(1, [1.0] * 100)
    network.crawl(1)
    network.named = 0
    done = network.crawl(1)
    assert done.row.answered > 50
    assert (done.sampled, done.row.estimate) == (0, 0.0)
    assert (done.row.completeness_low, done.row.completeness_high) == (0.0, 1.0)
    assert done.dark == done.marked == done.row.answered


def test_answers_to_own_ids_find_nodes_but_are_no_sample() -> None:
    network = Partial(1, [1.0] * 100, named=0, own_id_names=4)
    done = network.crawl(3)
    assert done.row.answered >= 95
    assert (done.sampled, done.row.estimate) == (0, 0.0)
    assert done.dark < 20


def test_unequal_capture_makes_the_estimate_a_lower_bound_that_memory_improves() -> None:
    # Half of the nodes are named twenty times as rarely as the others.
    early, late = [], []
    for seed in range(15):
        network = Partial(seed, [1.0] * 100 + [0.05] * 100)
        early.append(network.crawl(2).row.estimate)
        late.append(network.crawl(12).row.estimate)
    assert max(early) < 200
    assert sum(early) / 15 < 160
    assert sum(early) < sum(late) < 15 * 200
    assert sum(late) / 15 > 165
