from __future__ import annotations

import numpy as np
import pytest

from montra.overlays.mainline.layouts import LONGEST, NO_LAYOUT, WAYS, LayoutTable, ports
from montra.overlays.mainline.messages import parse
from zone_store.captures import Kind

ID, KEY = b"abcdefghij0123456789", b"mnopqrstuvwxyz123456"


def get_peers(transaction: bytes, extra: bytes = b"") -> bytes:
    return (
        (b"d1:ad2:id20:" + ID + b"9:info_hash20:" + KEY + extra + b"e1:q9:get_peers1:t%d:" % len(transaction))
        + transaction
        + b"1:y1:qe"
    )


def match(table: LayoutTable, *payloads: bytes) -> list[int]:
    rows = np.zeros((len(payloads), LONGEST), np.uint8)
    for row, payload in enumerate(payloads):
        rows[row, : len(payload)] = np.frombuffer(payload, np.uint8)
    return table.match(rows, np.array([len(payload) for payload in payloads], np.int32)).tolist()


def learn(table: LayoutTable, data: bytes) -> None:
    table.learn(data, parse(data))


def test_one_layout_for_all_contents() -> None:
    table = LayoutTable()
    learn(table, get_peers(b"aa"))
    learn(table, get_peers(b"bb"))
    assert len(table) == 1
    (layout,) = match(table, get_peers(b"zz").replace(ID, bytes(20)).replace(KEY, b"\xff" * 20))
    assert layout != NO_LAYOUT
    assert (table.kind[layout], table.id_at[layout], table.key_at[layout]) == (Kind.LOOKUP, 12, 46)
    assert table.version_at[layout] == -1


def test_every_fixed_byte_matters() -> None:
    table = LayoutTable()
    data = get_peers(b"aa")
    learn(table, data)
    free = {*range(12, 32), *range(46, 66), *range(86, 88)}
    assert data[86:88] == b"aa"
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert (match(table, changed) != [NO_LAYOUT]) == (at in free), at
    assert match(table, data[:-1], data + b"e") == [NO_LAYOUT, NO_LAYOUT]


def test_what_follows_a_row_does_not_matter() -> None:
    table = LayoutTable()
    data = get_peers(b"aa")
    learn(table, data)
    rows = np.full((1, 128), 0xFF, np.uint8)
    rows[0, : len(data)] = np.frombuffer(data, np.uint8)
    assert table.match(rows, np.array([len(data)], np.int32)) != NO_LAYOUT


def test_long_messages_have_no_layout() -> None:
    table = LayoutTable()
    assert len(get_peers(b"t" * 161)) == LONGEST
    learn(table, get_peers(b"t" * 161))
    assert len(table) == 0
    learn(table, get_peers(b"t" * 160))
    assert len(table) == 1


def test_the_least_used_layout_of_a_length_makes_room() -> None:
    table = LayoutTable()
    layouts = [get_peers(b"aa", b"1:%ci1e" % letter) for letter in b"JKLMNOPQRSTUVWXYZ"]
    for data in layouts[:WAYS]:
        learn(table, data)
    busy = layouts[: WAYS - 1]
    for _ in range(3):
        assert NO_LAYOUT not in match(table, *busy)
    for data in layouts[WAYS:]:
        learn(table, data)
        assert match(table, data) != [NO_LAYOUT]
    assert len(table) == WAYS
    assert NO_LAYOUT not in match(table, *busy)
    assert match(table, *layouts[WAYS - 1 : -1]) == [NO_LAYOUT] * (len(layouts) - WAYS)


@pytest.mark.parametrize(
    ("text", "port", "valid"),
    [
        (b"1", 1, True),
        (b"0", 0, True),
        (b"6881", 6881, True),
        (b"65535", 65535, True),
        (b"65536", 0, True),
        (b"99999", 0, True),
        (b"06881", 0, False),
        (b"00", 0, False),
        (b"68:1", 0, False),
        (b"6881?", 0, False),
    ],
)
def test_ports(text: bytes, port: int, valid: bool) -> None:
    for at in (0, 3, 8 - len(text)):
        rows = np.full((1, 8), ord("e"), np.uint8)
        rows[0, at : at + len(text)] = np.frombuffer(text, np.uint8)
        read, good = ports(rows, np.array([at]), np.array([len(text)]))
        assert good.tolist() == [valid]
        assert not valid or read.tolist() == [port]
