"""A lookup by libtorrent's rules, step by step; contacts are one telling byte of ID, and an address."""

from montra.canaries.lookup import HARD_NS, LONGEST_NS, SOFT_NS, Entry, Lookup

SECOND = 1_000_000_000
KEY = b"\xa5" + bytes(19)


def contact(byte: int, subnet: int = 0, host: int = 1) -> tuple[bytes, int, int]:
    """Return a contact with this first byte of ID; in a /24 of its own unless told otherwise."""
    return bytes([byte]) + bytes(19), (subnet or byte) << 8 | host, 6881


def begun(*bytes_: int) -> Lookup:
    lookup = Lookup(KEY, 0)
    lookup.add(contact(byte) for byte in bytes_)
    return lookup


def names(entries: list[Entry]) -> list[int]:
    return [entry.node_id[0] for entry in entries]


def test_five_at_a_time_the_nearest_first() -> None:
    lookup = begun(0x10, 0xA4, 0xA7, 0xA0, 0xB0, 0xA5, 0x80)
    asked = lookup.next(1)
    assert names(asked) == [0xA5, 0xA4, 0xA7, 0xA0, 0xB0]
    assert lookup.next(2) == []
    lookup.take(3, asked[0], asked[0].node_id, [])
    assert names(lookup.next(3)) == [0x80]
    assert not lookup.over
    assert lookup.due() == 1 + SOFT_NS


def test_over_when_the_eight_nearest_have_answered() -> None:
    lookup = begun(*range(0xA0, 0xC0))
    asked = lookup.next(1)
    while asked:
        entry = asked.pop(0)
        lookup.take(2, entry, entry.node_id, [])
        asked += lookup.next(2)
    assert lookup.over
    answered = [one[0][0] for one in lookup.answered]
    assert sorted(answered[:8]) == list(range(0xA0, 0xA8))
    # those asked meanwhile are waited for no longer: four more at most
    assert len(lookup.asked) == 12


def test_named_contacts_are_asked_and_far_ones_not_any_more() -> None:
    lookup = begun(0x01)
    (first,) = lookup.next(1)
    lookup.take(2, first, first.node_id, [contact(0xA5), contact(0x02)])
    assert names(lookup.next(2)) == [0xA5, 0x02]
    assert names(lookup.results) == [0xA5, 0x01, 0x02]


def test_one_contact_of_each_address_and_of_each_subnet() -> None:
    lookup = Lookup(KEY, 0)
    lookup.add([contact(0xA0, 7), contact(0xA5, 7, 2), contact(0xA5, 7), contact(0xA4, 8)])
    assert names(lookup.results) == [0xA4, 0xA0]


def test_a_slow_one_lets_one_more_be_asked_and_a_silent_one_fails() -> None:
    lookup = begun(*range(0xA0, 0xA8))
    assert len(lookup.next(SECOND)) == 5
    lookup.expire(SECOND + SOFT_NS - 1)
    assert lookup.next(SECOND + SOFT_NS - 1) == []
    lookup.expire(SECOND + SOFT_NS)
    # all five are slow: five more may be asked, of which there are three
    assert len(lookup.next(SECOND + SOFT_NS)) == 3
    assert lookup.due() == SECOND + 2 * SOFT_NS
    lookup.expire(SECOND + HARD_NS)
    assert sum(entry.failed for entry in lookup.asked) == 5
    assert not lookup.over
    lookup.expire(3 * SECOND + HARD_NS)
    assert lookup.next(3 * SECOND + HARD_NS) == []
    assert lookup.over
    assert lookup.answered == []


def test_an_answer_under_another_id_is_sorted_anew_and_proves_nothing() -> None:
    """What a monitor says to whom it does not want to keep: its entry drops to the end."""
    lookup = begun(0xA5, 0xA4)
    monitor, node = lookup.next(1)
    far = bytes(255 - byte for byte in KEY)
    lookup.take(2, monitor, far, [])
    lookup.take(3, node, node.node_id, [])
    assert names(lookup.results) == [0xA4, 0x5A]
    assert lookup.answered == [(node.node_id, node.ip, node.port, 3)]
    assert lookup.next(3) == []
    assert lookup.over


def test_an_error_or_a_second_answer_changes_nothing_more() -> None:
    lookup = begun(0xA5)
    (entry,) = lookup.next(1)
    lookup.fail(entry)
    lookup.take(2, entry, entry.node_id, [contact(0xA4)])
    assert (lookup.answered, names(lookup.results)) == ([], [0xA5])


def test_bootstrap_nodes_without_a_known_id_come_last_and_are_no_result() -> None:
    lookup = Lookup(KEY, 0)
    lookup.add([(b"", 99 << 8, 6881), contact(0x01)])
    near, router = lookup.next(1)
    assert (near.node_id[0], router.node_id) == (0x01, b"")
    lookup.take(2, router, contact(0x77)[0], [contact(0xA5)])
    assert lookup.answered == []
    assert names(lookup.results) == [0xA5, 0x01, 0x77]


def test_a_hundred_contacts_at_most_and_two_minutes() -> None:
    lookup = Lookup(KEY, 0)
    lookup.add((bytes([0xA5 ^ 0x80, i]) + bytes(18), (1000 + i) << 8, 1) for i in range(100))
    assert len(lookup.results) == 100
    lookup.add([(bytes([0xA5 ^ 0x80, 200]) + bytes(18), 5000 << 8, 1)])
    assert len(lookup.results) == 100
    lookup.add([contact(0xA5)])
    assert (len(lookup.results), lookup.results[0].node_id[0]) == (100, 0xA5)
    assert lookup.next(LONGEST_NS) == []
    assert lookup.over
    assert lookup.asked == []  # the log tells of nobody who was not asked


def test_ever_nearer_contacts_are_not_followed_for_ever() -> None:
    lookup = begun(0x01)
    asked, step = lookup.next(1), 0
    sent = len(asked)
    while asked and not lookup.over:
        entry = asked.pop()
        step += 1
        nearer = (int.from_bytes(KEY, "big") ^ (1 << 150) - step).to_bytes(20, "big")
        lookup.take(step, entry, entry.node_id, [(nearer, (2000 + step) << 8, 1)])
        more = lookup.next(step)
        asked += more
        sent += len(more)
    assert lookup.over
    assert 100 <= len(lookup.asked) == sent <= 105


def test_nobody_to_ask() -> None:
    lookup = begun()
    assert lookup.next(1) == []
    assert lookup.over
