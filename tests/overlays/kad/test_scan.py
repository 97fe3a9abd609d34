from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, DatagramBatch
from montra.overlays.kad import messages
from montra.overlays.kad.head import Opening, opened
from montra.overlays.kad.opcodes import Op
from montra.overlays.kad.parse import lookup_kind
from montra.overlays.kad.scan import scan
from zone_store.captures import Kind

Batch = Callable[[Sequence[bytes]], DatagramBatch]
Agreement = Callable[[Sequence[bytes]], list[str]]
TARGET, OWN = bytes(range(32, 48)), bytes(range(16))


def request(count: int, flags: int = 0) -> bytes:
    return opened(messages.request(count, TARGET, OWN), flags)


def test_no_rows(batch: Batch) -> None:
    found = scan(batch([]))
    assert found.kind.tolist() == []
    assert found.requester_id.shape == found.key.shape == (0, 16)
    assert found.malformed == {}


def test_columns_and_their_types(batch: Batch) -> None:
    found = scan(batch([request(2), request(4, 3), request(11), opened(b"\xe4\x60"), request(0x84)]))
    assert found.kind.tolist() == [Kind.SEARCH, Kind.PUBLISH, Kind.NODE_LOOKUP, Kind.OTHER, Kind.PUBLISH]
    assert [key.tobytes() for key in found.key] == [TARGET, TARGET, TARGET, bytes(16), TARGET]
    assert not found.requester_id.any()
    assert found.transaction_at.tolist() == [8, 8, 8, 0, 8]
    assert found.transaction_bytes.tolist() == [16, 16, 16, 0, 16]
    for column, kind in ((found.flags, np.uint16), (found.version, np.uint32), (found.port, np.uint16)):
        assert column.tolist() == [0] * 5
        assert column.dtype == kind
    assert (found.kind.dtype, found.key.dtype) == (np.uint8, np.uint8)
    assert found.malformed == {}


def test_the_transaction_is_the_target_as_in_the_packet(batch: Batch) -> None:
    rows = batch([request(2)])
    found = scan(rows)
    at = int(found.transaction_at[0])
    assert rows.buffer[0, at : at + 16].tobytes().hex() == "23222120272625242b2a29282f2e2d2c"
    assert messages.response(TARGET)[2:18] == rows.buffer[0, at : at + 16].tobytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too_short"),
        (b"\0\0\0\0", "too_short"),
        (b"\0\0\0\0\0", "too_short"),
        (b"\0\0\0\0\0\xe4", "too_short"),
        (b"\4\0\0\0\0", "unreadable"),
        (b"\5\0\0\0\0\xe4\x60", "unreadable"),
        (opened(b"\xe5\x21"), "not_kad"),
        (opened(b"\xe4\x20"), "unknown_opcode"),
        (opened(b"\xe4\xff"), "unknown_opcode"),
        (request(2)[:-1], "too_short"),
        (request(0), "bad_count"),
        (request(0xE0), "bad_count"),
        (request(2, Opening.WRONG_RECIPIENT), "wrong_recipient"),
        (request(0, Opening.WRONG_RECIPIENT), "bad_count"),
    ],
)
def test_refusals_are_named(data: bytes, reason: str, batch: Batch, agreement: Agreement) -> None:
    assert scan(batch([data])).malformed == {0: reason}
    assert agreement([data, request(2), data]) == [reason, "lookup", reason]


def test_it_agrees_with_parse_on_every_count_flag_and_length(agreement: Agreement) -> None:
    assert agreement([request(count) for count in range(256)]).count("bad_count") == 8
    agreement([request(2, flags) for flags in range(256)])
    long = request(2) + bytes(60)
    assert agreement([long[:end] for end in range(100)]) == ["too_short"] * 40 + ["lookup"] * 60
    assert agreement([opened(bytes((0xE4, op)) + bytes(40)) for op in range(256)]).count("unknown_opcode") == 256 - len(
        Op
    )


def test_narrow_slots(batch: Batch) -> None:
    rows = batch([request(2), b"\4\0\0\0\0"])
    rows.buffer = rows.buffer[:, :64]
    found = scan(rows)
    assert found.kind.tolist() == [Kind.SEARCH, Kind.OTHER]
    assert found.malformed == {1: "unreadable"}
    assert SLOT_BYTES % 64 == 0


def test_kinds_by_count() -> None:
    kinds = [lookup_kind(count) for count in range(33)]
    assert kinds[0] == kinds[32] == Kind.OTHER
    assert (kinds[2], kinds[4], kinds[11], kinds[31]) == (Kind.SEARCH, Kind.PUBLISH, Kind.NODE_LOOKUP, Kind.NODE_LOOKUP)
    assert kinds.count(Kind.NODE_LOOKUP) == 29
