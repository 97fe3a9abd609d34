from collections import Counter

import pytest

from crawler.intake import Intake, is_private, is_unicast
from crawler.population import Population
from crawler.settings import CrawlSettings

from .simnet import ZONE, SimContact

SOURCE = (0x14000001, 6881)
MONITOR = (0x15000001, 20000)


def inside(number: int) -> bytes:
    return b"\xa5" + number.to_bytes(19)


def contact(number: int, node_id: bytes | None = None) -> SimContact:
    return SimContact(node_id or inside(number), 0x16000000 + number, 6881)


def intake(settings: CrawlSettings | None = None, private: bool = False) -> tuple[Intake, Population, Counter[str]]:
    settings = settings or CrawlSettings()
    counters: Counter[str] = Counter()
    population = Population(settings)
    made = Intake(ZONE, population, settings, private, lambda ip, port: (ip, port) == MONITOR, counters)
    population.begin(1)
    made.begin(1)
    return made, population, counters


@pytest.mark.parametrize(
    ("ip", "private"),
    [
        (0x0A000001, True),
        (0x7F000001, True),
        (0xC0A80101, True),
        (0xAC1FFFFF, True),
        (0xAC200000, False),
        (0xA9FE0001, True),
        (0x64400001, True),
        (0x64800000, False),
        (0x08080808, False),
    ],
)
def test_private_networks(ip: int, private: bool) -> None:
    assert is_private(ip) is private


@pytest.mark.parametrize(
    ("ip", "unicast"),
    [(0, False), (0x00FFFFFF, False), (0x01000000, True), (0xDFFFFFFF, True), (0xE0000001, False), (0xFFFFFFFF, False)],
)
def test_unicast_addresses(ip: int, unicast: bool) -> None:
    assert is_unicast(ip) is unicast


def test_new_contacts_of_the_zone_are_to_be_asked_once_a_crawl() -> None:
    made, population, counters = intake()
    harvest = made.take(0, SOURCE, [contact(1), contact(2)], is_random=True)
    assert [n.address[0] for n in harvest.ask] == [0x16000001, 0x16000002]
    assert [(n.listed, n.sampled) for n in harvest.ask] == [(1, 1), (1, 1)]
    assert made.seen == 2
    for node in harvest.ask:
        node.asked = 1
    assert made.take(0, (0x14000002, 6881), [contact(1)], is_random=False).ask == []
    assert made.seen == 2
    assert not counters
    assert len(population.contacts) == 2


def test_bogus_contacts_are_counted_and_nothing_else() -> None:
    made, population, counters = intake()
    bogus = [
        SimContact(inside(1), 0x16000001, 0),
        SimContact(inside(1), 0, 6881),
        SimContact(inside(1), 0xE0000001, 6881),
        SimContact(inside(1), 0x0A000001, 6881),
        SimContact(inside(1), 0x16000001, 65536),
        SimContact(inside(1)[:19], 0x16000001, 6881),
        SimContact(b"", 0x16000001, 6881),
    ]
    harvest = made.take(0, SOURCE, bogus, is_random=True)
    assert counters == {"bogus_contact": 7}
    assert (harvest.ask, harvest.neighbours, harvest.outside) == ([], [], [])
    assert not population.contacts


def test_private_contacts_are_believed_in_a_private_network() -> None:
    made, _, counters = intake(private=True)
    assert len(made.take(0, SOURCE, [SimContact(inside(1), 0x7F000002, 6881)], is_random=False).ask) == 1
    assert not counters


def test_own_addresses_are_reported_and_never_asked() -> None:
    made, population, counters = intake()
    harvest = made.take(0, SOURCE, [SimContact(inside(1), *MONITOR)], is_random=False)
    assert harvest.own == [(inside(1), *MONITOR)]
    assert harvest.ask == []
    assert counters == {"own_contact": 1}
    assert not population.contacts


def test_naming_oneself_is_no_listing() -> None:
    made, population, _ = intake()
    harvest = made.take(0, SOURCE, [SimContact(inside(1), *SOURCE)], is_random=True)
    assert (harvest.ask, harvest.neighbours) == ([], [])
    assert not population.contacts


def test_contacts_outside_are_handed_on_a_bucket_at_most() -> None:
    made, population, _ = intake()
    contacts = [contact(number, b"\x10" + number.to_bytes(19)) for number in range(1, 20)]
    harvest = made.take(0, SOURCE, contacts, is_random=True)
    assert harvest.outside == contacts[:8]
    assert len(harvest.neighbours) == 19
    assert not population.contacts


def test_one_source_is_believed_so_many_new_addresses_a_crawl() -> None:
    made, population, counters = intake(CrawlSettings(contacts_per_source=10))
    first = [contact(number) for number in range(1, 26)]
    assert len(made.take(0, SOURCE, first, is_random=True).ask) == 10
    # Another port of the same address is the same source; known addresses cost nothing.
    assert len(made.take(0, (SOURCE[0], 7000), [contact(90), contact(1)], is_random=True).ask) == 1
    assert counters == {"source_limit": 16}
    assert len(made.take(0, (0x14000002, 6881), [contact(91)], is_random=True).ask) == 1
    made.begin(2)
    population.begin(2)
    assert len(made.take(0, SOURCE, [contact(92)], is_random=True).ask) == 1


def test_a_crawl_takes_so_many_new_addresses() -> None:
    made, population, counters = intake(CrawlSettings(max_contacts=20))
    for number in range(1, 16):
        made.take(0, (0x14000000 + number, 6881), [contact(number)], is_random=True)
    assert counters == {"crawl_limit": 5}
    assert len(population.contacts) == 10


def test_many_ids_at_one_ip_are_refused() -> None:
    made, _, counters = intake(CrawlSettings(nodes_per_ip=3))
    crowd = [SimContact(inside(port), 0x16000001, port) for port in range(1, 11)]
    assert len(made.take(0, SOURCE, crowd, is_random=True).ask) == 3
    assert counters == {"crowded_ip": 7}


def test_a_resting_contact_is_not_asked_before_its_time_and_then_by_its_latest_claim() -> None:
    made, population, _ = intake()
    (node,) = made.take(0, SOURCE, [contact(1)], is_random=True).ask
    node.asked = 1
    population.rest(0, node)
    made.begin(2)
    population.begin(2)
    assert made.take(14 * 10**9, SOURCE, [contact(1)], is_random=True).ask == []
    (again,) = made.take(15 * 10**9, SOURCE, [contact(1, inside(77))], is_random=True).ask
    assert again is node
    assert node.node_id == inside(77)


def test_others_tell_the_client_of_a_node_that_does_not_say_itself() -> None:
    made, population, _ = intake()
    made.take(0, SOURCE, [contact(1), contact(2), contact(3, b"\x01" * 20)], False, [b"\x08", b"\x09", b"\x0a"])
    assert {ip: node.version for (ip, _), node in population.contacts.items()} == {
        0x16000001: b"\x08",
        0x16000002: b"\x09",
    }
    known = population.contacts[0x16000001, 6881]
    population.settle(known)
    made.take(0, SOURCE, [contact(1, inside(9))], False, [b"\x01"])
    assert known.version == b"\x08"  # of another ID
    made.take(0, SOURCE, [contact(1)], False, [b"\x09"])
    assert known.version == b"\x09"
