"""The inferred destination: literal cases of the model, and what must hold whatever the captures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zone_store.attribution import attribute
from zone_store.attribution.chances import LAB, Chances
from zone_store.attribution.inference import Silent, most_probable, received
from zone_store.attribution.targets import Targets
from zone_store.captures import Attachment, Captures, Kind
from zone_store.run.folder import Manifest

SECOND = 1_000_000_000
LIBTORRENT, TRANSMISSION = 0x4C540201, 0
ONE_IP, SAME_24, OTHER_24 = 0x0A000001, 0x0A0000FE, 0x0A000101
KEY = b"\x80\x00"
#: Targets by distance from KEY: 1, 2, 4, 8.
NEAR = [b"\x80\x01", b"\x80\x02", b"\x80\x04", b"\x80\x08"]
#: Certain but for what each test sets.
SURE = Chances(reached=0.99, shown=0.98, shown_unseen=0.5, heard=1.0, heard_ended=0.1)


def beside(number: int, ip: int, begin: int = 1, lost: int = 0, reason: str = "", seen: bool = True) -> Attachment:
    """Return the attachment of the number-th nearest target, all times in seconds; ip 0: bare."""
    target = NEAR[number - 1]
    begin_ns, lost_ns = begin * SECOND, lost * SECOND
    visible = ((begin_ns, lost_ns),) if seen and ip else ()
    accepted_ns = begin_ns if ip else 0
    return Attachment(
        number, target, number, 1, target, ip, number if ip else 0, begin_ns, accepted_ns, accepted_ns, visible,
        lost_ns, reason,
    )  # fmt: skip


class MemoryRun:
    """A run in memory: one lookup of KEY at 100 s whose copies went to these attachments."""

    def __init__(self, attachments: list[Attachment], copies: list[int], version: int, time: int = 100) -> None:
        self.manifest = Manifest(montra_version="1", overlay="mainline", zone="8/1", id_bits=16, start_ns=0)
        self._attachments = attachments
        n = len(copies)
        self._captures = Captures(
            np.full(n, time * SECOND, np.int64),
            np.array(copies, np.uint32),
            np.full(n, 9, np.uint32),
            np.full(n, 6881, np.uint16),
            np.zeros((n, 2), np.uint8),
            np.array([list(KEY)] * n, np.uint8).reshape(n, 2),
            np.full(n, Kind.LOOKUP, np.uint8),
            np.zeros(n, np.uint16),
            np.full(n, version, np.uint32),
            np.zeros(n, np.uint16),
        )

    def captures(self) -> Iterator[Captures]:
        yield self._captures

    def each_attachment(self) -> Iterator[Attachment]:
        return iter(self._attachments)


def infer(
    attachments: list[Attachment],
    copies: list[int],
    version: int = LIBTORRENT,
    chances: Chances = SURE,
    time: int = 100,
) -> tuple[int, float]:
    """Return the inferred attachment of the run's one lookup, and the confidence."""
    run = MemoryRun(attachments, copies, version, time)
    bits = {0x4C54: 24, 0x5554: 32}
    (table,) = attribute(run, span_ns=60 * SECOND, refresh_bits=16, contact_bits=bits, chances=chances)
    assert len(table) == 1
    return int(table.inferred[0]), float(table.confidence[0])


def test_on_one_ip_the_closest_attached_is_inferred() -> None:
    fleet = [beside(number, ONE_IP) for number in (1, 2, 3, 4)]
    for heard in (2, 3, 4):
        inferred, confidence = infer(fleet, [heard])
        assert inferred == 1
        # Silent by chance 1 - 0.98 / 4 if it was reached, so the odds are 0.99 * 0.755 : 0.01.
        assert confidence == pytest.approx(0.99 * 0.755 / (0.99 * 0.755 + 0.01))
    assert infer(fleet, [1]) == (1, 1.0)


def test_with_an_address_group_of_its_own_a_silent_monitor_was_probably_not_reached() -> None:
    fleet = [beside(1, OTHER_24), beside(2, ONE_IP), beside(3, SAME_24)]
    inferred, confidence = infer(fleet, [2])
    silent = 0.99 * 0.02 / (0.99 * 0.02 + 0.01)
    assert (inferred, confidence) == (1, pytest.approx(silent))
    # What is known better weighs more.
    inferred, confidence = infer(fleet, [2], chances=SURE._replace(shown=0.999))
    assert (inferred, confidence) == (2, pytest.approx(1 - 0.99 * 0.001 / (0.99 * 0.001 + 0.01)))


def test_what_clients_compare_decides() -> None:
    two = [beside(1, SAME_24), beside(2, ONE_IP)]
    # libtorrent takes one of the /24, uTorrent one of each address, Transmission all.
    assert infer(two, [2])[0] == 1
    hidden = infer(two, [2])[1]
    assert infer(two, [2], version=0x55540000)[1] < hidden
    assert infer(two, [2], version=TRANSMISSION)[1] < hidden
    one = [beside(1, ONE_IP), beside(2, ONE_IP)]
    assert infer(one, [2], version=0x55540000)[1] == pytest.approx(hidden)


def test_clients_that_take_two_of_a_group_hide_less() -> None:
    def silence(ips: list[int], copies: list[int], contacts: int) -> float:
        fleet = [beside(number, ip) for number, ip in enumerate(ips, 1)]
        run = MemoryRun(fleet, copies, 0)
        (table,) = attribute(
            run, span_ns=60 * SECOND, refresh_bits=17, contact_bits={0: 24}, contacts=contacts, chances=SURE
        )
        assert table.inferred[0] == 1
        return float(table.confidence[0])

    def hidden(first: float) -> float:
        odds = 0.99 * (1 - 0.98 * first)
        return odds / (odds + 0.01)

    def about(chance: float) -> object:
        return pytest.approx(chance, abs=0.002)  # weights are the chances of being reached, near 1

    group = [SAME_24 - number for number in range(4)]
    # Of two, each is the first or the second.
    assert silence(group[:2], [2], 1) == about(hidden(1 / 2))
    assert silence(group[:2], [2], 2) == about(hidden(1))
    # One of four with a copy leaves room for another, two of them do not.
    assert silence(group, [2], 2) == about(hidden(1))
    assert silence(group, [2, 3], 2) == about(hidden(1 / 2))
    assert silence(group, [2, 3], 1) == about(hidden(1 / 4))
    # Others of which the table does not know may have been the two.
    assert silence([group[0], OTHER_24], [2], 2) == about(hidden(1))


def test_a_contact_too_far_to_be_asked_may_hide_a_nearer_one() -> None:
    fleet = [beside(1, OTHER_24), beside(2, ONE_IP), beside(3, OTHER_24 + 1)]
    asked, unasked = SURE, SURE._replace(asked=2)
    assert infer(fleet, [2], chances=unasked)[1] > infer(fleet, [2], chances=asked)[1]
    silent = 1 - 0.98 * 0.5  # either of the two in the group is the first to be heard of
    assert infer(fleet, [2], chances=unasked) == (1, pytest.approx(0.99 * silent / (0.99 * silent + 0.01)))


def test_a_bare_target_is_silent_always() -> None:
    fleet = [beside(1, 0), beside(2, ONE_IP)]
    assert infer(fleet, [2]) == (1, pytest.approx(0.99))
    (table,) = attribute(MemoryRun(fleet, [2], LIBTORRENT), span_ns=60 * SECOND, refresh_bits=16)
    assert (int(table.destination[0]), int(table.closest[0]), int(table.rank[0])) == (2, 1, 1)


def test_a_monitor_never_seen_says_less_by_its_silence() -> None:
    seen = [beside(1, OTHER_24), beside(2, ONE_IP)]
    unseen = [beside(1, OTHER_24, seen=False), beside(2, ONE_IP)]
    assert infer(unseen, [2])[1] > infer(seen, [2])[1]


def test_who_was_noticed_to_have_left_soon_after_was_gone_already() -> None:
    def fleet(lost: int, reason: str = "gone") -> list[Attachment]:
        return [beside(1, ONE_IP, lost=lost, reason=reason), beside(2, ONE_IP), beside(3, ONE_IP, lost=1000)]

    chances = SURE._replace(noticed_s=(10.0, 20.0), attached_s=0.0)
    assert infer(fleet(109), [2], chances=chances) == (2, 1.0)
    halfway = infer(fleet(115), [2], chances=chances)
    assert 0.4 < halfway[1] < 0.6
    assert infer(fleet(121), [2], chances=chances)[0] == 1
    # Sealing, or a monitor given instead of none, says nothing of the target.
    assert infer(fleet(109, "promoted"), [2], chances=chances)[0] == 1


def test_a_copy_at_a_monitor_that_had_ended_counts_little() -> None:
    fleet = [beside(1, ONE_IP, lost=90, reason="gone"), beside(2, ONE_IP), beside(3, ONE_IP, lost=1000)]
    chances = SURE._replace(attached_s=0.0)
    assert infer(fleet, [1, 2], chances=chances) == (2, pytest.approx(0.9))
    assert infer(fleet, [1], chances=chances) == (1, pytest.approx(0.1))


def test_newcomers_are_reached_less_unless_the_run_is_as_young() -> None:
    old = [beside(1, ONE_IP, begin=50), beside(2, ONE_IP)]
    new = [beside(1, ONE_IP, begin=100), beside(2, ONE_IP)]
    assert infer(new, [2])[1] < infer(old, [2])[1]
    young = [beside(1, ONE_IP, begin=100), beside(2, ONE_IP, begin=99)]
    assert infer(young, [2])[1] == pytest.approx(infer(old, [2])[1])


def test_lookups_without_an_attached_candidate_end_where_they_were_heard() -> None:
    ended = [beside(2, ONE_IP, lost=99, reason="gone")]
    assert infer(ended, [2], chances=SURE._replace(attached_s=0.0)) == (2, pytest.approx(0.1))
    assert infer([beside(1, ONE_IP, begin=200), beside(2, ONE_IP)], [2]) == (2, 1.0)


def test_of_equal_chances_the_nearer_wins() -> None:
    best, most = most_probable(np.array([[0.5, 1.0], [0.2, 0.25], [0.0, 0.0]]))
    assert best.tolist() == [0, 0, 0]
    assert most.tolist() == pytest.approx([0.5, 0.2, 0.0])


def test_rivals_that_are_no_candidates_do_not_matter() -> None:
    def silent(ip: list[int], there: list[bool], shown: list[float], heard: int) -> float:
        n = len(ip)
        known = np.array([there])
        case = Silent(
            known, known & (np.arange(n) == 0), np.cumsum(known, axis=1) - 1, np.full((1, n), 0.5) * known,
            np.array([shown]), np.array([ip], np.uint32), np.array([24], np.uint8), np.array([[heard]], np.uint32),
        )  # fmt: skip
        return float(received(case, LAB)[0, 0])

    alone = silent([ONE_IP, 0], [True, False], [0.9, 0.0], OTHER_24)
    assert alone == pytest.approx(0.5 * 0.1 / (0.5 * 0.1 + 0.5))
    assert silent([ONE_IP, SAME_24], [True, False], [0.9, 0.9], OTHER_24) == alone
    # Bare targets have no address, so they share none with an asked monitor.
    assert silent([0, 0], [True, True], [0.0, 0.0], ONE_IP) == pytest.approx(0.5)


def test_visible_intervals_are_told_apart_by_row_and_time() -> None:
    one = beside(1, ONE_IP)
    one.visible = ((10 * SECOND, 20 * SECOND), (30 * SECOND, 0))
    one.lost_ns = 40 * SECOND
    targets = Targets([one, beside(2, ONE_IP, seen=False), beside(3, ONE_IP, begin=15)], 2)
    rows = np.array([[0, 1, 2]] * 5, np.intp)
    times = np.array([[5], [10], [20], [35], [40]], np.int64) * SECOND
    expected = [
        [False, False, False],
        [True, False, False],
        [False, False, True],
        [True, False, True],
        [False, False, True],
    ]
    assert targets.visible(rows, np.broadcast_to(times, rows.shape)).tolist() == expected


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Attachment], list[int]]:
    count = draw(st.integers(1, 4))
    fleet = [
        beside(
            number,
            draw(st.sampled_from([0, ONE_IP, SAME_24, OTHER_24])),
            draw(st.integers(1, 120)),
            draw(st.sampled_from([0, 0, 121, 125, 300])),
            draw(st.sampled_from(["gone", "sealed", "silent"])),
            draw(st.booleans()),
        )
        for number in range(1, count + 1)
    ]
    return fleet, draw(st.lists(st.integers(1, count), min_size=1, max_size=6))


@settings(max_examples=200, deadline=None)
@given(networks(), st.sampled_from([LIBTORRENT, TRANSMISSION]))
def test_confidence_is_a_probability_and_the_inferred_is_known(
    network: tuple[list[Attachment], list[int]], version: int
) -> None:
    fleet, copies = network
    inferred, confidence = infer(fleet, copies, version, LAB)
    assert 0 <= confidence <= 1
    known = {one.number for one in fleet}
    assert inferred in known
    # Never farther than the second nearest monitor with a copy.
    assert inferred <= sorted({*copies})[:2][-1]
