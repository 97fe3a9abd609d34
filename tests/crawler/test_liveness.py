from collections import Counter

from crawler.events import NodeChanged, NodeFound, NodeGone
from crawler.liveness import Liveness
from crawler.population import Node, Population
from crawler.settings import CrawlSettings
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
HERE = (0x16000001, 6881)
ONE, TWO, OUTSIDE = b"\xa5" + bytes(19), b"\xa6" + bytes(19), bytes(20)
S = 1_000_000_000


def liveness(settings: CrawlSettings | None = None) -> tuple[Liveness, Population, Counter[str]]:
    settings = settings or CrawlSettings()
    counters: Counter[str] = Counter()
    population = Population(settings)
    population.begin(1)
    return Liveness(ZONE, population, settings, counters), population, counters


def test_found_once_with_the_id_of_its_own_reply() -> None:
    alive, population, counters = liveness()
    population.admit(Node(TWO, HERE))
    node = alive.answered(5, 1, HERE, ONE, b"LT21")
    assert node is not None
    assert alive.answered(6, 1, HERE, ONE, b"LT21") is node
    assert alive.take_events() == [NodeFound(5, ONE, *HERE, b"LT21")]
    assert counters == {"claimed_other_id": 1}
    assert (node.last_answer_ns, alive.answering, alive.take_counts()) == (6, 1, (1, 0, 0))


def test_a_node_outside_is_not_reported_and_rests() -> None:
    alive, population, counters = liveness()
    contact = Node(ONE, HERE)
    population.admit(contact)
    assert alive.answered(5, 1, HERE, OUTSIDE, b"") is None
    assert alive.take_events() == []
    assert counters == {"claimed_in_zone": 1}
    assert contact.retry_ns == 15 * S + 5


def test_changed_inside_and_out_of_the_zone() -> None:
    alive, population, _ = liveness()
    alive.answered(5, 1, HERE, ONE, b"")
    alive.answered(6, 1, HERE, TWO, b"")
    assert alive.answered(7, 1, HERE, OUTSIDE, b"") is None
    assert alive.take_events()[1:] == [
        NodeChanged(6, ONE, TWO, *HERE, True),
        NodeChanged(7, TWO, OUTSIDE, *HERE, False),
    ]
    assert not population.nodes
    assert alive.take_counts() == (1, 0, 2)


def test_an_id_that_never_rests_ends_the_node_for_long() -> None:
    alive, population, counters = liveness(CrawlSettings(changes_per_node=3))
    alive.answered(0, 1, HERE, ONE, b"")
    for number in range(1, 5):
        alive.answered(number, 1, HERE, b"\xa5" + number.to_bytes(19), b"")
    kinds = [type(event) for event in alive.take_events()]
    assert kinds == [NodeFound, NodeChanged, NodeChanged, NodeChanged, NodeChanged, NodeGone]
    assert counters == {"unstable_id": 1}
    assert population.contacts[HERE].retry_ns == 1800 * S + 4


def test_gone_after_so_many_crawls_and_one_check() -> None:
    alive, _, _ = liveness(CrawlSettings(gone_after=2))
    node = alive.answered(5, 1, HERE, ONE, b"")
    assert node is not None
    assert not alive.missed(node)
    assert alive.missed(node)
    assert not alive.missed(node)  # the check is under way
    alive.rechecked(9, node)
    assert alive.take_events()[1:] == [NodeGone(9, ONE, *HERE, 5)]
    alive.rechecked(10, node)
    assert alive.take_events() == []


def test_an_answer_before_the_check_ends_saves_the_node() -> None:
    alive, population, _ = liveness(CrawlSettings(gone_after=1))
    node = alive.answered(5, 1, HERE, ONE, b"")
    assert node is not None
    assert alive.missed(node)
    alive.answered(8, 2, HERE, ONE, b"")
    alive.rechecked(9, node)
    assert population.nodes == {HERE: node}


def test_a_returning_node_is_found_again() -> None:
    alive, _, _ = liveness(CrawlSettings(gone_after=1))
    node = alive.answered(5, 1, HERE, ONE, b"")
    assert node is not None
    alive.missed(node)
    alive.rechecked(9, node)
    assert alive.answered(20, 3, HERE, ONE, b"v2") is node
    assert alive.take_events()[2:] == [NodeFound(20, ONE, *HERE, b"v2")]
    assert (node.found_crawl, node.found_ns) == (3, 20)


def test_full_tables_and_crowded_addresses_are_counted() -> None:
    alive, _, counters = liveness(CrawlSettings(max_nodes=3, nodes_per_ip=2))
    crowd = [alive.answered(0, 1, (9, port), b"\xa5" + port.to_bytes(19), b"") for port in range(1, 5)]
    assert [node is not None for node in crowd] == [True, True, False, False]
    others = [alive.answered(0, 1, (ip, 1), b"\xa6" + ip.to_bytes(19), b"") for ip in (10, 11)]
    assert [node is not None for node in others] == [True, False]
    assert counters == {"crowded_ip": 2, "nodes_full": 1}
