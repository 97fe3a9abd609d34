"""Answering each content ID once: who is answered, how, for how long, and what that invites."""

from __future__ import annotations

import numpy as np
import pytest

from montra.datagrams import DatagramBatch
from montra.overlays.base import Asked, Replies, Scope
from montra.overlays.kad import OVERLAY, messages
from montra.overlays.kad.courtesy import INVITED_NS, MOST_PACKETS, KadCourtesy, from_table, reply_table
from montra.overlays.kad.head import opened

HOUR_NS = 3600 * 10**9
MONITOR = bytes([0xA4]) + bytes(14) + b"\x01"
KEY, OTHER_KEY, FAR_KEY = bytes([0xA4, 1]) * 8, bytes([0xA4, 2]) * 8, bytes([0xA5, 1]) * 8
SEARCH, PUBLISH, NODES = 2, 4, 11


def asked(*requests: tuple[int, bytes, int]) -> DatagramBatch:
    """Return REQs (count, key, IP) as they are opened; the sender's key is that of its IP."""
    rows = [
        (5, 7, ip, 4672, opened(messages.request(count, key, MONITOR), peer_key=ip + 1)) for count, key, ip in requests
    ]
    return DatagramBatch.of(rows)


def answer(courtesy: KadCourtesy, now_ns: int, *requests: tuple[int, bytes, int]) -> Replies:
    batch = asked(*requests)
    rows = np.arange(len(batch))
    monitors = np.frombuffer(MONITOR * len(batch), np.uint8).reshape(-1, 16)
    return courtesy.answer(now_ns, Asked(batch, OVERLAY.scan(batch), rows, monitors))


def test_each_content_id_is_answered_once_with_no_contacts() -> None:
    courtesy = KadCourtesy(Scope())
    replies = answer(courtesy, 0, (SEARCH, KEY, 9), (PUBLISH, KEY, 8), (PUBLISH, OTHER_KEY, 8), (NODES, FAR_KEY, 8))
    assert replies.rows.tolist() == [0, 2]
    assert [courtesy.policies[number] for number in replies.policy] == ["once", "once"]
    assert not replies.aside.any()
    # unknown ID of the receiver, its key for us, then RES without contacts: words are little-endian
    assert replies.payloads[0] == bytes(16) + b"\x0a\0\0\0" + b"\xe4\x29" + bytes([1, 0xA4, 1, 0xA4]) * 4 + b"\0"
    assert answer(courtesy, HOUR_NS, (PUBLISH, KEY, 7)).payloads == []


def test_it_is_answered_again_when_its_time_is_over() -> None:
    courtesy = KadCourtesy(Scope(once_ns=HOUR_NS))
    assert len(answer(courtesy, 0, (SEARCH, KEY, 9)).rows) == 1
    assert len(answer(courtesy, HOUR_NS - 1, (SEARCH, KEY, 9)).rows) == 0
    assert len(answer(courtesy, HOUR_NS, (SEARCH, KEY, 9)).rows) == 1


@pytest.mark.parametrize("count", [0, 1, 3, NODES, 0x1F])
def test_only_searches_and_publishes_are_answered(count: int) -> None:
    assert len(answer(KadCourtesy(Scope()), 0, (count, KEY, 9)).rows) == 0


def test_a_monitor_too_far_for_phase_two_leaves_the_content_id_to_others() -> None:
    courtesy = KadCourtesy(Scope())
    assert len(answer(courtesy, 0, (SEARCH, FAR_KEY, 9)).rows) == 0
    near = np.frombuffer(FAR_KEY, np.uint8).reshape(1, 16)
    batch = asked((SEARCH, FAR_KEY, 9))
    assert len(courtesy.answer(0, Asked(batch, OVERLAY.scan(batch), np.array([0]), near)).rows) == 1


def test_another_part_of_the_fleet_answers_its_own() -> None:
    courtesy = KadCourtesy(Scope(mine=lambda key: key == OTHER_KEY))
    assert answer(courtesy, 0, (SEARCH, KEY, 9), (SEARCH, OTHER_KEY, 9)).rows.tolist() == [1]


def test_what_was_answered_before_it_began_is_not_answered_again() -> None:
    courtesy = KadCourtesy(Scope(once_ns=HOUR_NS, answered={KEY: 5, OTHER_KEY: 3}), max_keys=2)
    assert len(answer(courtesy, HOUR_NS + 3, (SEARCH, KEY, 9), (SEARCH, OTHER_KEY, 9)).rows) == 1
    assert len(answer(courtesy, HOUR_NS + 5, (SEARCH, KEY, 9)).rows) == 1
    assert len(answer(KadCourtesy(Scope(answered={KEY: 5, OTHER_KEY: 6}), max_keys=1), 7, (SEARCH, KEY, 9)).rows) == 0


def test_no_more_content_ids_are_answered_than_are_remembered() -> None:
    courtesy = KadCourtesy(Scope(), max_keys=1)
    replies = answer(courtesy, 0, (SEARCH, KEY, 9), (SEARCH, OTHER_KEY, 9))
    assert replies.rows.tolist() == [0]
    assert replies.dropped.counts == {"claims_full": 1}


def test_who_was_answered_may_say_so_much_for_so_long() -> None:
    courtesy = KadCourtesy(Scope())
    answer(courtesy, 0, (SEARCH, KEY, 9))
    assert courtesy.invited(1, 9, KEY)
    assert not courtesy.invited(1, 8, KEY)
    assert not courtesy.invited(1, 9, OTHER_KEY)
    assert sum(courtesy.invited(2, 9, KEY) for _ in range(2 * MOST_PACKETS)) == MOST_PACKETS - 1
    answer(courtesy, 0, (SEARCH, OTHER_KEY, 9))
    assert not courtesy.invited(INVITED_NS, 9, OTHER_KEY)


def test_modes_and_exceptions_are_policies_by_name() -> None:
    assert [reply_table(mode, {})["all"] for mode in ("least", "paper", "silent", "once")] == [
        "silent",
        "silent",
        "silent",
        "once",
    ]
    assert reply_table("least", {"all": "once"}) == {"all": "once"}
    assert isinstance(from_table({"all": "once"}, Scope()), KadCourtesy)
    assert from_table({"all": "silent"}, Scope()) is None


@pytest.mark.parametrize(
    ("mode", "families", "said"),
    [
        ("far-id", {}, "mode 'far-id' is none of least, paper, silent, once"),
        ("once", {"libtorrent": "silent"}, "family 'libtorrent' is none of all"),
        ("once", {"all": "error"}, "policy 'error' of all is none of silent, once"),
        ("paper", {"all": "once"}, "mode \"paper\" is silence to all, so all cannot get 'once'"),
    ],
)
def test_unknown_names_are_refused_in_one_line(mode: str, families: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=r"is none of|is silence") as caught:
        reply_table(mode, families)
    assert str(caught.value) == said
