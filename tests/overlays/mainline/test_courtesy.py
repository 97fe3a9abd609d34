"""What strangers get: literal bytes, and the same from the arrays as from one message at a time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from montra.datagrams import SLOT_BYTES, DatagramBatch
from montra.overlays.base import Asked, Replies
from montra.overlays.mainline import OVERLAY
from montra.overlays.mainline.bencode import encode
from montra.overlays.mainline.courtesy import LEAST, Family, Reply, families, family, from_table, name, reply_table
from montra.overlays.mainline.messages import LOOKUPS, parse
from montra.overlays.mainline.scan import Scanner

Batch = Callable[[Sequence[bytes]], DatagramBatch]
ID, KEY = b"abcdefghij0123456789", bytes(range(20))
FAR = bytes(255 - i for i in range(20))
MONITOR = b"m" * 20
SECOND = 10**9


def query(transaction: bytes, version: bytes = b"", method: bytes = b"get_peers", key: bytes = KEY) -> bytes:
    name = b"target" if method == b"find_node" else b"info_hash"
    v = {b"v": version} if version else {}
    return encode({b"a": {b"id": ID, name: key}, b"q": method, b"t": transaction, **v, b"y": b"q"})


def announce(token: bytes, key: bytes = KEY) -> bytes:
    a = {b"id": ID, b"info_hash": key, b"port": 6881, b"token": token}
    return encode({b"a": a, b"q": b"announce_peer", b"t": b"aa", b"v": b"LT\2\x11", b"y": b"q"})


class Monitors:
    """A courtesy with its scanner."""

    def __init__(self, mode: str = "least", **exceptions: str) -> None:
        made = from_table(reply_table(mode, exceptions), b"secret")
        assert made is not None
        self.courtesy = made
        self.scanner = Scanner()

    def answer(
        self, payloads: Sequence[bytes], now_ns: int = 0, monitor: bytes = MONITOR, ip: int = 0x0A000001
    ) -> Replies:
        batch = DatagramBatch.of([(now_ns, 1, ip, 6881, data) for data in payloads])
        scan = self.scanner.scan(batch)
        rows = np.flatnonzero(scan.kind)
        monitors = np.tile(np.frombuffer(monitor, np.uint8), (len(rows), 1))
        return self.courtesy.answer(now_ns, Asked(batch, scan, rows, monitors))

    def one(self, payload: bytes, **where: object) -> bytes | None:
        """The reply to one query; the same again when its layout is known."""
        replies = self.answer([payload], **where)  # type: ignore[arg-type]
        again = self.answer([payload], **where)  # type: ignore[arg-type]
        assert replies.payloads == again.payloads
        return replies.payloads[0] if replies.payloads else None


CLIENTS = {
    Family.LIBTORRENT: query(b"TT", b"LT\2\x11"),
    Family.ARIA2: query(b"TTTT", b"A2\0\3"),
    Family.RTORRENT: query(b"T", b"lt\r\x80", b"find_node"),
    Family.UTORRENT: query(b"TTTT", b"UT\xb0\x01"),
    Family.MLDHT: query(b"TTTTTT", b"Az\0\1"),
    Family.JECH: query(b"gp\1\2"),
    Family.WEBTORRENT: query(b"TT"),
    Family.OTHER: query(b"TT", b"XX\0\1"),
}
FAR_LIBTORRENT = b"d1:rd2:id20:" + FAR + b"5:nodes0:e1:t2:TT1:v4:mT\0\x011:y1:re"


def test_each_family_is_known_by_its_queries() -> None:
    assert set(CLIENTS) == set(Family)
    for member, payload in CLIENTS.items():
        message = parse(payload)
        assert family(int.from_bytes(message.version, "big"), message.transaction) == member
    assert [family(0, t) for t in (b"fn\0\0", b"pn\0\0", b"ap\1\2")] == [Family.JECH] * 3
    assert [family(0, t) for t in (b"gp", b"gp\1\2\3", b"xx\1\2", b"")] == [Family.WEBTORRENT] * 4
    assert family(int.from_bytes(b"AZ\0\0", "big"), b"gp\1\2") == Family.MLDHT


@given(st.lists(st.tuples(st.sampled_from([0, 0x4C540211, 0x6C740D80, 0x5858FFFF, 7]), st.binary(max_size=6))))
def test_families_of_many_are_those_of_each(queries: list[tuple[int, bytes]]) -> None:
    queries += [(0, b"gp" + t[2:]) for _, t in queries]
    versions = np.array([version for version, _ in queries], np.uint32)
    beginning = np.array([int.from_bytes(t[:2], "big") if len(t) == 4 else 0 for _, t in queries], np.uint16)
    sizes = np.array([len(t) for _, t in queries], np.uint16)
    assert families(versions, beginning, sizes).tolist() == [family(*q) for q in queries]


def test_the_bytes_of_each_policy() -> None:
    libtorrent = CLIENTS[Family.LIBTORRENT]
    tail = b"1:t2:TT1:v4:mT\0\x011:y1:re"
    assert Monitors("far-id").one(libtorrent) == FAR_LIBTORRENT
    assert Monitors("own-id").one(libtorrent) == b"d1:rd2:id20:" + MONITOR + b"5:nodes0:e" + tail
    assert Monitors("error").one(libtorrent) == b"d1:eli202e12:Server Errore" + tail[:-2] + b"ee"
    assert Monitors("discard").one(libtorrent) == b"d1:rd2:id20:" + MONITOR + b"e1:t1:T1:v4:mT\0\x011:y1:re"
    once = Monitors("once").one(libtorrent)
    assert once is not None
    head, token, end = once[:50], once[50:58], once[58:]
    assert (head, end) == (b"d1:rd2:id20:" + MONITOR + b"5:nodes0:5:token8:", b"e" + tail)
    assert token != bytes(8)


@pytest.mark.parametrize("member", Family)
def test_the_bytes_for_each_family_under_every_policy(member: Family) -> None:
    payload = CLIENTS[member]
    t = parse(payload).transaction
    for policy in Reply:
        monitors = Monitors("far-id", **{name(member): name(policy)})
        got = monitors.one(payload)
        assert got == reference(parse(payload), policy, MONITOR, token=monitors.courtesy._claims.token(0x0A000001))
        echoed = t[:-1] if policy == Reply.DISCARD else t
        assert got is None or b"1:t%d:%b1:v" % (len(echoed), echoed) in got


def test_the_least_of_each_family_is_what_the_table_says() -> None:
    monitors = Monitors()
    for member, payload in CLIENTS.items():
        assert monitors.one(payload) == reference(parse(payload), LEAST[member], MONITOR)
    assert monitors.one(CLIENTS[Family.LIBTORRENT]) == FAR_LIBTORRENT


def test_an_announce_gets_nothing_but_under_once() -> None:
    for policy in set(Reply) - {Reply.SILENT, Reply.ONCE}:
        assert Monitors(name(policy)).one(announce(b"t" * 8)) is None


def test_policies_and_rows_are_reported() -> None:
    monitors = Monitors("discard", libtorrent="own-id", aria2="silent")
    sent = [b"junk", CLIENTS[Family.JECH], CLIENTS[Family.ARIA2], CLIENTS[Family.LIBTORRENT]]
    replies = monitors.answer(sent)
    assert sorted(zip(replies.rows.tolist(), replies.policy.tolist(), replies.aside.tolist(), strict=True)) == [
        (1, Reply.DISCARD, True),
        (3, Reply.OWN_ID, False),
    ]
    assert monitors.courtesy.policies == (
        "silent",
        "far_id",
        "own_id",
        "error",
        "discard",
        "once",
        "behind",
    )


def test_behind_answers_who_is_none_of_the_nearest_and_lets_the_others_fail() -> None:
    made = Monitors("behind")
    batch = DatagramBatch.of([(0, 1, 2, 3, CLIENTS[Family.RTORRENT])] * 4)
    monitors = np.repeat(np.arange(4, dtype=np.uint8)[:, None] + 65, 20, axis=1)
    asked = []

    def nearer(keys: NDArray[np.uint8], ids: NDArray[np.uint8]) -> NDArray[np.intp]:
        asked.append((keys.tobytes(), ids.tobytes()))
        return np.array([0, 3, 2, 4])

    replies = made.courtesy.answer(0, Asked(batch, made.scanner.scan(batch), np.arange(4), monitors, nearer))
    tail = b"e1:t1:T1:v4:mT\0\x011:y1:"
    error = b"d1:eli202e12:Server Error" + tail + b"ee"
    said = [reply for _, reply in sorted(zip(replies.rows.tolist(), replies.payloads, strict=True))]
    assert said == [
        error,
        b"d1:rd2:id20:" + b"B" * 20 + b"5:nodes0:" + tail + b"re",
        error,
        b"d1:rd2:id20:" + b"D" * 20 + b"5:nodes0:" + tail + b"re",
    ]
    assert asked == [(KEY * 4, monitors.tobytes())]
    assert replies.policy.tolist() == [Reply.BEHIND] * 4


def test_one_monitor_gives_a_token_and_takes_the_announce() -> None:
    monitors = Monitors("once")
    find, get = query(b"1", b"lt\r\x80", b"find_node"), query(b"2", b"lt\r\x80")
    found = monitors.one(find)
    assert found == b"d1:rd2:id20:" + MONITOR + b"5:nodes0:e1:t1:11:v4:mT\0\x011:y1:re"
    assert monitors.one(find, monitor=b"n" * 20) == reference(parse(find), LEAST[Family.RTORRENT], b"n" * 20)
    got = monitors.one(get, now_ns=60 * SECOND)
    assert got is not None
    token = got[50:58]
    invited = announce(token)
    expected = b"d1:rd2:id20:" + MONITOR + b"e1:t2:aa1:v4:mT\0\x011:y1:re"
    assert monitors.one(invited, now_ns=70 * SECOND) == expected
    assert monitors.one(invited, ip=0x0A000002) is None  # the token is of another address
    replies = monitors.answer([announce(b"guessed!")])
    assert replies.payloads == []
    assert replies.dropped.counts == {"bad_token": 1}


def test_other_monitors_do_what_disturbs_least_and_a_claim_ends() -> None:
    monitors = Monitors("once")
    libtorrent, other = CLIENTS[Family.LIBTORRENT], b"n" * 20
    first = monitors.one(libtorrent)
    assert first is not None
    assert b"5:token" in first
    assert monitors.one(libtorrent, now_ns=1, monitor=other) == reference(
        parse(libtorrent), LEAST[Family.LIBTORRENT], other
    )
    assert b"5:token" in (monitors.one(libtorrent, now_ns=2) or b"")  # a retransmission
    assert b"5:token" in (monitors.one(query(b"TT", b"LT\2\x11", key=FAR), monitor=other) or b"")  # another key
    assert b"5:token" in (monitors.one(libtorrent, now_ns=120 * SECOND, monitor=other) or b"")


def test_tables_by_name() -> None:
    assert reply_table("least", {}) == {name(member): name(LEAST[member]) for member in Family}
    assert set(reply_table("paper", {}).values()) == {"silent"}
    assert set(reply_table("own-id", {}).values()) == {"own-id"}
    assert reply_table("error", {"jech": "silent"})["jech"] == "silent"
    assert from_table(reply_table("paper", {}), b"") is None
    assert OVERLAY.courtesy(OVERLAY.reply_table("paper", {"jech": "silent"}), b"") is None
    assert reply_table("least", reply_table("far-id", {})) == reply_table("far-id", {})


@pytest.mark.parametrize(
    ("mode", "exceptions", "line"),
    [
        ("polite", {}, "mode 'polite' is none of least, paper, silent, far-id, own-id, error, discard, once, behind"),
        ("least", {"azureus": "silent"}, "family 'azureus' is none of other, libtorrent"),
        ("least", {"jech": "far"}, "policy 'far' of jech is none of silent, far-id"),
        ("paper", {"jech": "far-id"}, "mode \"paper\" is silence to all, so jech cannot get 'far-id'"),
    ],
)
def test_names_that_are_wrong(mode: str, exceptions: dict[str, str], line: str) -> None:
    with pytest.raises(ValueError, match=re.escape(line)):
        reply_table(mode, exceptions)


def test_known_layouts_are_replied_to_without_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    monitors = Monitors("far-id")
    monitors.answer(list(CLIENTS.values()))

    def refuse(_: bytes) -> object:
        raise AssertionError("parsed")

    monkeypatch.setattr("montra.overlays.mainline.messages.parse", refuse)
    assert len(monitors.answer(list(CLIENTS.values())).payloads) == len(CLIENTS)


def reference(message: object, policy: Reply, monitor: bytes, token: bytes = b"") -> bytes | None:
    """One reply by a dictionary and the encoder; ONCE as for the monitor that was asked first."""
    m = message
    tail = {b"t": m.transaction, b"v": b"mT\0\1"}  # type: ignore[attr-defined]
    values: dict[bytes, object] = {b"id": monitor, b"nodes": b""}
    if policy in (Reply.SILENT, Reply.BEHIND):  # nobody here knows who is nearer
        return None
    if m.method == "announce_peer" and policy != Reply.ONCE:  # type: ignore[attr-defined]
        return None
    if policy == Reply.ERROR:
        return encode({b"e": [202, b"Server Error"], **tail, b"y": b"e"})
    if policy == Reply.FAR_ID:
        values[b"id"] = bytes(255 - byte for byte in m.key)  # type: ignore[attr-defined]
    if policy == Reply.DISCARD:
        del values[b"nodes"]
        tail[b"t"] = m.transaction[:-1]  # type: ignore[attr-defined]
    if policy == Reply.ONCE and m.method == "get_peers":  # type: ignore[attr-defined]
        values[b"token"] = token
    return encode({b"r": values, **tail, b"y": b"r"})


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A packet with another transaction, version or key, other bytes, or cut or doubled parts."""
    choice = rng.randrange(6)
    if choice == 0:
        t = rng.randbytes(rng.choice((0, 1, 2, 3, 4, 4, 8, 20, 60, 99)))
        begin = data.find(b"1:t")
        colon = data.find(b":", begin + 3)
        if begin < 0 or not data[begin + 3 : colon].isdigit():
            return data
        return data[:begin] + b"1:t%d:%b" % (len(t), t) + data[colon + 1 + int(data[begin + 3 : colon]) :]
    if choice == 1:
        return data.replace(b"1:v4:", b"1:v4:" + rng.choice((b"LT", b"lt", b"XX")))[: len(data)]
    if choice == 2:  # `t` last, which no client does
        begin, end = data.find(b"1:t"), data.find(b"1:v")
        return data if not 0 < begin < end else data[:begin] + data[end:-1] + data[begin:end] + b"e"
    at = rng.randrange(len(data))
    if choice == 3:
        return data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]
    if choice == 4:
        return data[:at] + data[at + rng.randrange(8) :]
    return data[:at] + rng.choice((b"1:t2:xx", b"1:y1:q", b"e", b"2:roi1e", bytes(9))) + data[at:]


@pytest.mark.parametrize("mode", ["far-id", "own-id", "error", "discard", "least"])
def test_arrays_say_what_one_at_a_time_would_and_never_more_than_was_asked(
    mode: str, packets: dict[str, bytes]
) -> None:
    rng = random.Random(20)
    pool = [data for data in packets.values() if parse(data).method in LOOKUPS] + list(CLIENTS.values())
    monitors, table = Monitors(mode), reply_table(mode, {})
    replied = known = 0
    for _ in range(60):
        sent = [rng.choice(pool) for _ in range(64)]
        sent = [mutated(rng, data) if rng.random() < 0.6 else data for data in sent]
        sent += [mutated(rng, mutated(rng, data)) for data in sent[:16]]
        batch = DatagramBatch.of([(0, 1, 2, 3, data) for data in sent])
        scan = monitors.scanner.scan(batch)
        rows = np.flatnonzero(scan.kind)
        known += int(np.count_nonzero(scan.transaction_at[rows]))
        ids = np.frombuffer(rng.randbytes(20 * len(rows)), np.uint8).reshape(-1, 20)
        replies = monitors.courtesy.answer(0, Asked(batch, scan, rows, ids))
        got = dict(zip(replies.rows.tolist(), replies.payloads, strict=True))
        assert len(got) == len(replies.payloads)
        for row, monitor in zip(rows.tolist(), ids, strict=True):
            message = parse(sent[row])
            policy = table[name(family(int(scan.version[row]), message.transaction))]
            expected = reference(message, Reply[policy.upper().replace("-", "_")], monitor.tobytes())
            assert got.pop(row, None) == expected
            if expected is not None:
                assert len(expected) <= len(sent[row])
                replied += 1
        assert got == {}
    assert replied > 800
    assert known > 800  # of them read by layout


@given(st.binary(max_size=4), st.binary(max_size=300), st.sampled_from(["find_node", "get_peers"]))
def test_no_reply_is_longer_than_the_shortest_query(version: bytes, transaction: bytes, method: str) -> None:
    payload = query(transaction, version, method.encode())
    for mode in ("far-id", "own-id", "error", "discard", "once"):
        replies = Monitors(mode).answer([payload])
        assert [len(reply) <= len(payload) for reply in replies.payloads] == [True]
        assert replies.dropped.counts == {}


def test_what_would_be_longer_is_dropped_and_counted() -> None:
    monitors = Monitors("error")
    batch = DatagramBatch.of([(0, 1, 2, 3, CLIENTS[Family.LIBTORRENT])])
    scan = monitors.scanner.scan(batch)
    batch.length[0] = 40
    replies = monitors.courtesy.answer(0, Asked(batch, scan, np.array([0]), np.zeros((1, 20), np.uint8)))
    assert replies.payloads == []
    assert replies.dropped.counts == {"reply_too_long": 1}


def test_an_oversized_datagram_gets_nothing() -> None:
    payload = query(b"t" * SLOT_BYTES, b"LT\2\x11")
    assert Monitors("far-id").answer([payload]).payloads == []


def test_no_rows() -> None:
    replies = Monitors().answer([])
    assert (len(replies.rows), replies.payloads, len(replies.aside)) == (0, [], 0)
