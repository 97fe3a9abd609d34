"""The short way through replies: what it reads, it reads as `messages.parse` does."""

import random

import pytest

from montra.overlays.base import Message
from montra.overlays.mainline import OVERLAY
from montra.overlays.mainline.messages import parse
from montra.overlays.mainline.replies import read

ID = bytes(range(40, 60))
NODES = b"".join(bytes([65 + i]) * 20 + bytes([9, 9, 9, i]) + b"\x1a\xe1" for i in range(8))
CONTACTS = tuple((bytes([65 + i]) * 20, 0x09090900 + i, 6881) for i in range(8))
USUAL = {
    "libtorrent": b"d2:ip6:\x7fM\x01\x01\xb7!1:rd2:id20:" + ID + b"5:nodes208:" + NODES + b"1:pi46881ee"
    b"1:t4:abcd1:v4:LT\x02\x111:y1:re",
    "get_peers": b"d2:ip6:\x7fM\x01\x01\xb7!1:rd2:id20:"
    + ID
    + b"5:nodes208:"
    + NODES
    + b"1:pi46881e5:token4:\x04U\xab2e"
    b"1:t2:gp1:v4:LT\x02\x111:y1:re",
    "transmission": b"d1:rd2:id20:" + ID + b"5:nodes208:" + NODES + b"5:token8:\0\1\2\3\4\5\6\7e1:t4:fn\0\0001:y1:re",
    "webtorrent": b"d1:rd2:id20:" + ID + b"5:nodes208:" + NODES + b"5:token20:" + ID + b"e1:t4:abcd1:y1:re",
    "pong": b"d1:rd2:id20:" + ID + b"e1:t4:abcd1:v4:LT\x02\x111:y1:re",
    "empty": b"d1:rd2:id20:" + ID + b"5:nodes0:e1:t4:abcd1:y1:re",
    "short": b"d1:rd2:id20:" + ID + b"5:nodes26:" + NODES[:26] + b"e1:t4:abcd1:v4:UT\xab\x141:y1:re",
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_replies_are_read(name: str) -> None:
    message = read(USUAL[name])
    assert message is not None
    assert message == parse(USUAL[name])
    assert (message.type, message.sender_id) == ("reply", ID)
    assert message.contacts == CONTACTS[: {"short": 1, "empty": 0, "pong": 0}.get(name, 8)]


def test_contacts_at_unusable_addresses_are_left_out() -> None:
    nodes = NODES[:20] + b"\0\1\1\1\x1a\xe1" + NODES[26:46] + b"\xe0\1\1\1\x1a\xe1" + NODES[52:72] + b"\x09\1\1\1\0\0"
    data = b"d1:rd2:id20:" + ID + b"5:nodes104:" + nodes + NODES[:26] + b"e1:t4:abcd1:y1:re"
    message = read(data)
    assert message is not None
    assert message.contacts == CONTACTS[:1]
    assert message == parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"d1:rd2:id20:" + ID + b"5:nodese1:t4:abcd1:y1:re",  # no length
        b"d1:rd2:id20:" + ID + b"5:nodes25:" + NODES[:25] + b"e1:t4:abcd1:y1:re",  # no whole contact
        b"d1:rd2:id20:" + ID + b"5:nodes026:" + NODES[:26] + b"e1:t4:abcd1:y1:re",  # a length with a leading zero
        b"d1:rd2:id20:" + ID + b"5:nodes208:" + NODES[:26] + b"e1:t4:abcd1:y1:re",  # shorter than it says
        b"d1:rd2:id20:" + ID + b"5:nodes26:" + NODES[:26] + b"1:pi01ee1:t4:abcd1:y1:re",  # an integer with one
        b"d1:rd2:id20:" + ID + b"5:nodes26:" + NODES[:26] + b"e1:t4:abcd1:y1:re\n",  # more behind it
        b"d1:rd2:id20:" + ID + b"5:nodes26:" + NODES[:26] + b"e1:t4:abcd1:y1:qe",
    ],
)
def test_anything_else_is_left_to_the_parser(data: bytes) -> None:
    assert read(data) is None
    assert OVERLAY.parse(data) == parse(data)


def mutations(rng: random.Random, count: int) -> list[bytes]:
    """Return usual replies with bytes changed, parts left out, put in, repeated or crossed."""
    pieces = (
        b"e",
        b"d",
        b"i0e",
        b"0:",
        b"1:t4:",
        b"5:nodes",
        b"26:",
        b"208:",
        b"1:v4:",
        b"2:id20:",
        b"1:y1:r",
        bytes(3),
    )
    made = []
    for _ in range(count):
        data = bytearray(rng.choice(list(USUAL.values())))
        for _ in range(rng.choice((1, 1, 2))):
            at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
            way = rng.randrange(6)
            if way < 3 and at < len(data):
                data[at] = rng.choice((rng.randrange(256), *b"0123456789:dile"))
            elif way == 3:
                data[at:at] = rng.choice(pieces)
            elif way == 4:
                del data[at : min(end, at + 30)]
            else:
                data[at:end] = rng.choice(list(USUAL.values()))[at:end]
        made.append(bytes(data))
    return made


def test_what_is_read_of_mutated_replies_is_what_parse_says() -> None:
    both = 0
    for data in mutations(random.Random(1), 20_000):
        message = read(data)
        if message is not None:
            assert message == parse(data), data
            both += 1
    assert both > 2_000


def test_the_overlay_takes_either_way() -> None:
    assert OVERLAY.parse(USUAL["libtorrent"]) == read(USUAL["libtorrent"])
    assert OVERLAY.parse(b"d1:rd2:id20:" + ID + b"e1:t2:aa1:y1:re") == Message("reply", "", b"aa", ID)
