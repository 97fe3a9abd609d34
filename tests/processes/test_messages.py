"""The stream between the processes: any bytes at all end in messages or in MessageError."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import SLOT_BYTES
from montra.processes import messages
from montra.processes.messages import (
    MAX_FRAME,
    MAX_NEWS,
    Begin,
    Changed,
    Failed,
    Found,
    Gone,
    MessageError,
    Probes,
    Ready,
    Seal,
    Sealing,
    Status,
    Tell,
    View,
    encode,
    orders,
    reports,
)

NODE, OTHER = bytes(range(20)), bytes(range(1, 21))
ORDERS = [
    Begin({"zone": "a4/6", "limits": {"total": {"per_s": 1.5}}}, 1, 2, 3, "/run/shards/001-0002", -5, 7),
    Tell(
        [
            Found(NODE, 0x0A000001, 6881, b"LT\x02\x01"),
            Changed(NODE, OTHER, 0xFFFFFFFF, 65535, True),
            Gone(NODE, 0, 0),
            View(NODE, 1, 2, ((OTHER, 3, 4),)),
        ]
    ),
    Seal("complete"),
]
REPORTS = [
    Ready(),
    Probes([(1, 2, NODE)]),
    Status(10**18, {"visible": 5}, 77, {"received": 9}),
    Sealing(Status(5, {}, 0, {})),
    Failed("disk full: 1 MiB free"),
]


@pytest.mark.parametrize("message", ORDERS, ids=lambda m: type(m).__name__)
def test_orders_come_through(message: messages.Order) -> None:
    assert orders().feed(encode(message)) == [message]


@pytest.mark.parametrize("message", REPORTS, ids=lambda m: type(m).__name__)
def test_reports_come_through(message: messages.Report) -> None:
    assert reports().feed(encode(message)) == [message]


@given(st.lists(st.integers(0, 400), max_size=30))
def test_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"".join(map(encode, ORDERS))
    decoder = orders()
    found = []
    at = 0
    for cut in sorted(cuts):
        found += decoder.feed(stream[at : max(at, cut)])
        at = max(at, cut)
    assert found + decoder.feed(stream[at:]) == ORDERS


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_no_bytes_raise_anything_else(parts: list[bytes]) -> None:
    for decoder in (orders(), reports()):
        with contextlib.suppress(MessageError):
            for part in parts:
                decoder.feed(part)


@given(st.data())
def test_a_damaged_stream_raises_nothing_else(data: st.DataObject) -> None:
    stream = bytearray(b"".join(map(encode, ORDERS)))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MessageError):
        orders().feed(bytes(stream))


def test_reports_are_no_orders() -> None:
    with pytest.raises(MessageError, match="no message"):
        orders().feed(encode(Ready()))


@pytest.mark.parametrize(
    "news",
    [
        Found(NODE, 1 << 32, 1, b""),
        Found(NODE, -1, 1, b""),
        Gone(NODE, 1, 65536),
        View(NODE, 1, 1, ((NODE, 1 << 32, 1),)),
    ],
)
def test_addresses_that_are_none(news: messages.News) -> None:
    with pytest.raises(MessageError):
        orders().feed(encode(Tell([news])))


def test_frames_are_bounded() -> None:
    with pytest.raises(MessageError, match=str(MAX_FRAME)):
        orders().feed((MAX_FRAME + 1).to_bytes(4, "big"))
    with pytest.raises(MessageError, match="at most"):
        encode(Failed("x" * MAX_FRAME))


@pytest.mark.parametrize(
    "longest",
    [
        View(NODE, 0xFFFFFFFF, 65535, ((OTHER, 0xFFFFFFFF, 65535),) * (SLOT_BYTES // 26)),
        Found(NODE, 0xFFFFFFFF, 65535, bytes(SLOT_BYTES)),
    ],
)
def test_a_frame_of_the_longest_news_that_a_datagram_can_cause_fits(longest: messages.News) -> None:
    news = [longest] * MAX_NEWS
    assert orders().feed(encode(Tell(news))) == [Tell(news)]
