"""A seeded storm of mutated messages: the scan must agree with the full parse on every one of them, and both must end.

It also counts, so that the storm is known to reach the fast path, the parser's refusals, and the rows left unread.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from montra.overlays.base import Message
from montra.overlays.mainline.messages import LOOKUPS, parse
from montra.overlays.mainline.scan import Scanner

ROUNDS, ROWS = 400, 512  # 204,800 messages
PIECES = (
    b"1:q9:get_peers", b"1:q9:find_node", b"1:q13:announce_peer", b"1:y1:q",
    b"1:y1:r", b"2:roi1e", b"1:q4:ping", b"4:porti65535e", b"4:porti0e", b"9:info_hash20:",
    b"6:target20:", b"2:id20:", b"1:v4:", b"1:t2:", b"5:token8:", b"d", b"l", b"e", b"i-0e", b"i1e", b"i1e-6:", b"-6:",
    b"0:", b"00:", b"9999999:", b"99999999999999999999:", b"i" + b"9" * 30 + b"e", b"l" * 12, b"d1:a" * 12, bytes(8),
)  # fmt: skip


def mutate(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    choice = max(0, rng.randrange(-4, 10))
    at, end = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    if choice == 0:  # new contents, no new structure
        for free in sorted({parse(data).sender_id, parse(data).key} - {b""}):
            data = data.replace(free, rng.choice((rng.randbytes(20), (rng.choice(PIECES) * 20)[:20])))
        return data
    if choice in (1, 2):  # bytes replaced
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            if changed:
                changed[rng.randrange(len(changed))] = rng.choice((rng.randrange(256), *b"0123456789:deilq"))
        return bytes(changed)
    if choice in (3, 4):  # a piece of structure put in, or put over
        piece = rng.choice(PIECES)
        return data[:at] + piece + data[at + rng.choice((0, len(piece))) :]
    if choice == 5:  # cut short
        return data[:end]
    if choice == 6:  # a part left out
        return data[:at] + data[end:]
    if choice == 7:  # a part repeated
        return data[:end] + data[at:end] + data[end:]
    if choice == 8:  # two messages crossed
        other = rng.choice(others)
        return data[:at] + other[rng.randrange(len(other) + 1) :]
    return data + rng.choice((b"e", b"\n", rng.randbytes(rng.choice((1, 300, 3000)))))


@pytest.mark.slow
def test_scan_agrees_with_parse_on_mutated_messages(
    packets: dict[str, bytes], agreement: Callable[[Scanner, list[bytes]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bool] = []

    def counting(data: bytes) -> Message:
        message = parse(data)
        parsed.append(message.method in LOOKUPS)
        return message

    monkeypatch.setattr("montra.overlays.mainline.messages.parse", counting)
    rng = random.Random(20260101)
    corpus = [*packets.values(), b"d1:q9:get_peers1:ai1e-6:", b"d" * 40]
    scanner = Scanner()
    outcome: Counter[str] = Counter()
    for _ in range(ROUNDS):
        payloads = []
        for _ in range(ROWS):
            data = rng.choice(corpus)
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                data = mutate(rng, data, corpus)
            payloads.append(data)
        if rng.random() < 0.1:  # let strange but valid lookups be learned and mutated too
            corpus.append(rng.choice(payloads))
        outcome.update(agreement(scanner, payloads))
    assert outcome.total() == 204_800
    assert outcome["lookup"] - sum(parsed) > 20_000  # by layout
    assert sum(parsed) > 500  # new or odd layouts
    assert outcome["other"] > 20_000
    assert outcome["unread"] > 10_000
    refusals = {"too_short", "oversized", "not_a_dict", "bad_string", "bad_integer", "too_deep", "duplicate_key"}
    assert refusals <= set(outcome)
