from crawler.population import Node, Population
from crawler.settings import CrawlSettings

S = 1_000_000_000


def node(number: int, port: int = 6881) -> Node:
    return Node(number.to_bytes(20), (number, port))


def test_rests_double_up_to_the_maximum() -> None:
    population = Population(CrawlSettings(silent_s=60.0, silent_max_s=200.0))
    contact = node(1)
    population.admit(contact)
    rests = []
    for _ in range(4):
        population.rest(0, contact)
        rests.append(contact.retry_ns // S)
    assert rests == [60, 120, 200, 200]
    for _ in range(100):
        population.rest(0, contact)
    assert contact.retry_ns == 200 * S


def test_a_node_that_answers_again_begins_with_the_shortest_rest() -> None:
    population = Population(CrawlSettings(silent_s=60.0))
    contact = node(1)
    population.rest(0, contact)
    population.rest(0, contact)
    assert population.settle(contact)
    assert not population.contacts
    population.unsettle(0, contact)
    assert contact.retry_ns == 60 * S
    assert population.find(contact.address) is contact
    assert not population.nodes


def test_the_longest_rest_at_once() -> None:
    population = Population(CrawlSettings(silent_s=60.0, silent_max_s=900.0))
    contact = node(1)
    population.settle(contact)
    population.unsettle(5 * S, contact, longest=True)
    assert contact.retry_ns == 905 * S


def test_contacts_are_bounded_and_the_oldest_failure_makes_room() -> None:
    population = Population(CrawlSettings(max_contacts=3))
    contacts = [node(number) for number in range(1, 5)]
    for contact in contacts[:3]:
        population.admit(contact)
    population.rest(0, contacts[0])  # failed last
    population.admit(contacts[3])
    assert [c.address[0] for c in population.contacts.values()] == [3, 1, 4]


def test_nodes_are_bounded() -> None:
    population = Population(CrawlSettings(max_nodes=2))
    assert [population.settle(node(number)) for number in (1, 2, 3)] == [True, True, False]


def test_an_ip_has_few_slots_a_crawl() -> None:
    population = Population(CrawlSettings(nodes_per_ip=2))
    population.begin(1)
    first, second, third = (node(9, port) for port in (1, 2, 3))
    assert [population.take_slot(n) for n in (first, second, third)] == [True, True, False]
    assert population.take_slot(first)  # holds one already
    assert population.take_slot(node(10))
    population.settle(first)
    population.begin(2)
    assert population.take_slot(third)
    assert not population.take_slot(second)


def test_long_silent_contacts_that_nobody_names_are_forgotten() -> None:
    population = Population(CrawlSettings(silent_s=60.0, silent_max_s=600.0))
    old, young = node(1), node(2)
    population.rest(0, old)
    population.rest(300 * S, young)
    population.prune(659 * S)
    assert len(population.contacts) == 2
    population.prune(660 * S)
    assert list(population.contacts) == [young.address]
