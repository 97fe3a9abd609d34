"""What a monitor says to strangers who ask it: by client, so that nobody waits for it in vain.

A silent monitor is waited for: with monitors at all neighbours of a key, libtorrent announces 16 s late, Transmission
more than a minute. What helps one client harms another, hence a policy for each family of clients. Measured by
`montra validate disruption`; the trials behind each policy are in its reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, StrangerReply, runs_of
from montra.overlays.base import Asked, Nearer, Replies
from montra.overlays.mainline import messages, shapes
from montra.overlays.mainline.claims import Claims
from montra.overlays.mainline.escorts import Escorts
from montra.overlays.mainline.shapes import TOKEN_BYTES, Shape
from zone_store.captures import Kind


class Reply(IntEnum):
    """What a stranger's get_peers or find_node gets."""

    SILENT = 0
    FAR_ID = 1  # no contacts, under the ID farthest from the key: libtorrent sorts its sender to the end of its list
    OWN_ID = 2  # no contacts, under the monitor's ID
    ERROR = 3  # error 202
    DISCARD = 4  # a transaction cut short, from an address aside: jech/dht drops the monitor's ID from its search
    ONCE = 5  # a token, and announce_peer an answer, from one monitor for each key; the others act as in LEAST
    BEHIND = 6  # OWN_ID by a monitor that has enough targets nearer to the key, ERROR by the others: for rTorrent


class Family(IntEnum):
    """Clients that treat replies alike, told apart by `v` and by the form of their transactions."""

    OTHER = 0
    LIBTORRENT = 1
    ARIA2 = 2
    RTORRENT = 3
    UTORRENT = 4
    MLDHT = 5
    JECH = 6  # Transmission and others on jech/dht
    WEBTORRENT = 7  # and whoever else sends no `v`


#: The policy that disturbs each family least.
LEAST: Final[Mapping[Family, Reply]] = {
    Family.OTHER: Reply.SILENT,
    Family.LIBTORRENT: Reply.FAR_ID,
    Family.ARIA2: Reply.FAR_ID,
    Family.RTORRENT: Reply.BEHIND,
    Family.UTORRENT: Reply.FAR_ID,
    Family.MLDHT: Reply.SILENT,
    Family.JECH: Reply.DISCARD,
    Family.WEBTORRENT: Reply.FAR_ID,
}

_LETTERS: Final = {
    b"LT": Family.LIBTORRENT,
    b"A2": Family.ARIA2,
    b"lt": Family.RTORRENT,
    b"UT": Family.UTORRENT,
    b"AZ": Family.MLDHT,
    b"Az": Family.MLDHT,
}
#: How jech/dht begins the four bytes of its transactions: get_peers, find_node, ping, announce_peer (dht.c).
JECH_BYTES: Final = 4
_JECH: Final = (b"gp", b"fn", b"pn", b"ap")
_FAMILY_OF: Final = np.zeros(1 << 16, np.uint8)  # by the first two bytes of `v`
for _text, _family in _LETTERS.items():
    _FAMILY_OF[int.from_bytes(_text, "big")] = _family
_OF_JECH: Final = np.zeros(1 << 16, np.bool_)  # by the first two bytes of `t`
_OF_JECH[[int.from_bytes(_text, "big") for _text in _JECH]] = True


def family(version: int, transaction: bytes) -> Family:
    """Return the family of a query's sender. version: as in captures, 0 = none."""
    if version:
        return _LETTERS.get(version.to_bytes(4, "big")[:2], Family.OTHER)
    return Family.JECH if len(transaction) == JECH_BYTES and transaction[:2] in _JECH else Family.WEBTORRENT


def families(
    version: NDArray[np.uint32], beginning: NDArray[np.uint16], transaction_bytes: NDArray[np.uint16]
) -> NDArray[np.uint8]:
    """Return `family` of n queries, uint8[n]. beginning: uint16[n], the first two bytes of a transaction of four."""
    without = np.where((transaction_bytes == JECH_BYTES) & _OF_JECH[beginning], Family.JECH, Family.WEBTORRENT)
    found: NDArray[np.uint8] = np.where(version == 0, without.astype(np.uint8), _FAMILY_OF[version >> 16])
    return found


def name(value: Reply | Family) -> str:
    """Return how a policy or a family is written in a configuration: FAR_ID is "far-id"."""
    return value.name.lower().replace("_", "-")


_REPLIES: Final = {name(value): value for value in Reply}
_FAMILIES: Final = {name(value): value for value in Family}
#: Modes beside the names of policies.
LEAST_MODE, PAPER_MODE = "least", "paper"


def reply_table(mode: str, exceptions: Mapping[str, str]) -> dict[str, str]:
    """Return the policy of each family, by name (see `montra.overlays.base.Overlay.reply_table`)."""
    if mode == LEAST_MODE:
        table = {name(member): name(LEAST[member]) for member in Family}
    elif mode == PAPER_MODE or mode in _REPLIES:
        table = dict.fromkeys(_FAMILIES, name(Reply.SILENT) if mode == PAPER_MODE else mode)
    else:
        raise ValueError(f"mode {mode!r} is none of {', '.join((LEAST_MODE, PAPER_MODE, *_REPLIES))}")
    for known, policy in exceptions.items():
        if known not in _FAMILIES:
            raise ValueError(f"family {known!r} is none of {', '.join(_FAMILIES)}")
        if policy not in _REPLIES:
            raise ValueError(f"policy {policy!r} of {known} is none of {', '.join(_REPLIES)}")
        if mode == PAPER_MODE and _REPLIES[policy] != Reply.SILENT:
            raise ValueError(f'mode "{PAPER_MODE}" is silence to all, so {known} cannot get {policy!r}')
        table[known] = policy
    return table


# How a reply is made. Finer than `Reply`, the first values of which it shares, since ONCE depends on the query.
_SHAPES: Final[tuple[Shape | None, ...]] = (
    None,
    shapes.NO_NODES,  # its ID is no monitor's
    shapes.NO_NODES,
    shapes.SERVER_ERROR,
    shapes.ID_ONLY,
    shapes.NO_NODES_TOKEN,
    None,  # BEHIND is one of two others
    shapes.NO_NODES,
    shapes.ID_ONLY,
)
_ONCE_PEERS, _ONCE_NODES, _ONCE_ANNOUNCE = 5, 7, 8
#: rTorrent announces to the three nearest nodes that answered: a monitor with so many targets nearer is none of them.
_ENOUGH: Final = 3


class MainlineCourtesy:
    """Replies to strangers (fits `montra.overlays.base.Courtesy`).

    table: the policy of each family; secret: of the tokens, at most 64 bytes.

    Dropped are: reply_too_long (than its query), claims_full, bad_token (an announce that was not invited).
    """

    policies = tuple(value.name.lower() for value in Reply)

    def __init__(self, table: Mapping[Family, Reply], secret: bytes) -> None:
        self._policy = np.array([table[member] for member in Family], np.uint8)
        self._least = np.array([LEAST[member] for member in Family], np.uint8)
        self._least[self._least == Reply.ONCE] = Reply.SILENT
        self._claims = Claims(secret)
        self._escorts = Escorts()

    def answer(self, now_ns: int, asked: Asked) -> Replies:
        """Reply to lookups of strangers (see `montra.overlays.base.Courtesy.answer`)."""
        scan, rows, monitor_ids = asked.scan, asked.rows, asked.monitor_ids
        queries = _Queries(asked)
        sender = families(scan.version[rows], queries.beginning, queries.transaction_bytes)
        policy = self._policy[sender]
        counters = Counters()
        making = np.where(scan.kind[rows] == Kind.ANNOUNCE, np.uint8(Reply.SILENT), policy)
        for i in np.flatnonzero(policy == Reply.ONCE).tolist():
            made = self._once(now_ns, asked, i, counters)
            if made is None:
                policy[i] = made = self._least[sender[i]]
            making[i] = made
        ranked = np.flatnonzero(making == Reply.BEHIND)
        late: list[StrangerReply] = []
        if len(ranked):
            making[ranked] = _ranked(asked.nearer, queries.keys(ranked), monitor_ids[ranked])
            late = self._escort(now_ns, asked, ranked, making, queries)
        written = [rows[:0]]
        payloads: list[bytes] = []
        for value in np.unique(making[making != Reply.SILENT]).tolist():
            for group, replies in self._write(value, np.flatnonzero(making == value), queries, monitor_ids):
                written.append(group)
                payloads += replies
        at = np.concatenate(written)
        counters.add("reply_too_long", int(np.count_nonzero(making)) - len(at))
        return Replies(rows[at], payloads, policy[at], policy[at] == Reply.DISCARD, late, int(Reply.BEHIND), counters)

    def invited(self, now_ns: int, ip: int, key: bytes) -> bool:
        """Return False: who is invited announces, and the token tells (`Reply.ONCE`)."""
        return False

    def _escort(
        self,
        now_ns: int,
        asked: Asked,
        ranked: NDArray[np.intp],
        making: NDArray[np.uint8],
        queries: _Queries,
    ) -> list[StrangerReply]:
        """Hold errors of BEHIND back, by making them silence, and return those whose escort has come."""
        released: list[StrangerReply] = []
        batch, ranked = asked.batch, ranked[making[ranked] != Reply.SILENT]
        rows, answers = asked.rows[ranked], (making[ranked] == Reply.OWN_ID).tolist()
        sources = zip(batch.source_ip[rows].tolist(), batch.source_port[rows].tolist(), strict=True)
        keys = map(bytes, queries.keys(ranked))
        for i, answered, (ip, port), key in zip(ranked.tolist(), answers, sources, keys, strict=True):
            search = ip, port, key
            if answered:
                held = self._escorts.release(now_ns, search)
                released += [] if held is None else [held]
            elif not self._escorts.fails_at_once(now_ns, search):
                # shorter than any query that has an ID and a key, so its length is not looked at
                error = shapes.write(shapes.SERVER_ERROR, b"", b"", queries.transaction(i))
                self._escorts.hold(search, StrangerReply(int(batch.local[asked.rows[i]]), ip, port, error))
                making[i] = Reply.SILENT
        return released

    def _once(self, now_ns: int, asked: Asked, i: int, counters: Counters) -> int | None:
        """Return how to reply to the i-th query under ONCE, None for one that another monitor answers."""
        batch, scan, row, monitor_id = asked.batch, asked.scan, int(asked.rows[i]), asked.monitor_ids[i].tobytes()
        kind, ip = int(scan.kind[row]), int(batch.source_ip[row])
        if kind == Kind.ANNOUNCE:
            if messages.token(batch.payload(row)) == self._claims.token(ip):
                return _ONCE_ANNOUNCE
            counters.add("bad_token")
            return int(Reply.SILENT)
        holder = self._claims.holder(now_ns, scan.key[row].tobytes(), monitor_id)
        if holder != monitor_id:
            counters.add("claims_full", not holder)
            return None
        return _ONCE_PEERS if kind == Kind.LOOKUP else _ONCE_NODES

    def _write(
        self, making: int, which: NDArray[np.intp], queries: _Queries, monitor_ids: NDArray[np.uint8]
    ) -> Iterator[tuple[NDArray[np.intp], list[bytes]]]:
        """Yield these queries in groups, without those that are shorter than their reply, and the replies to them."""
        shape = _SHAPES[making]
        assert shape is not None  # noqa: S101 - silence is not written
        size = queries.transaction_bytes[which]
        if making == Reply.DISCARD:
            size = np.maximum(size, 1) - 1
        for length in np.unique(size).tolist():
            group = which[(size == length) & (queries.length[which] >= shapes.size(shape, length))]
            ids = ~queries.keys(group) if making == Reply.FAR_ID else monitor_ids[group]
            tokens = self._tokens(queries.source_ip[group]) if shape.tokened else ids[:, :TOKEN_BYTES]
            yield group, shapes.write_many(shape, ids, tokens, queries.transactions(group, length))

    def _tokens(self, source_ip: NDArray[np.uint32]) -> NDArray[np.uint8]:
        made = b"".join(self._claims.token(ip) for ip in source_ip.tolist())
        return np.frombuffer(made, np.uint8).reshape(-1, TOKEN_BYTES)


def from_table(table: Mapping[str, str], secret: bytes) -> MainlineCourtesy | None:
    """Return who replies by a table of names, None where all are silent; raises ValueError for unknown names."""
    known = reply_table(LEAST_MODE, table)
    values = {_FAMILIES[member]: _REPLIES[policy] for member, policy in known.items()}
    return MainlineCourtesy(values, secret) if any(values.values()) else None


def _ranked(nearer: Nearer | None, keys: NDArray[np.uint8], monitor_ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return how BEHIND replies to n queries, uint8[n]: not at all where nobody knows who is nearer."""
    if nearer is None:
        return np.full(len(keys), Reply.SILENT, np.uint8)
    behind = nearer(keys, monitor_ids) >= _ENOUGH
    return np.where(behind, np.uint8(Reply.OWN_ID), np.uint8(Reply.ERROR))


class _Queries:
    """What replies need of n lookups.

    beginning uint16[n]: the first two bytes of transactions of four; transaction_bytes uint16[n]; length, source_ip: as
    in the batch. Where the scan does not know the transaction the message is parsed.
    """

    def __init__(self, asked: Asked) -> None:
        batch, scan, rows = asked.batch, asked.scan, asked.rows
        self.length = batch.length[rows]
        self.source_ip = batch.source_ip[rows]
        self.transaction_bytes = scan.transaction_bytes[rows]
        self._key, self._rows = scan.key, rows
        self._flat = np.ascontiguousarray(batch.buffer[: len(batch)]).reshape(-1)
        self._at = rows * batch.buffer.shape[1] + scan.transaction_at[rows]
        parsed = np.flatnonzero(scan.transaction_at[rows] == 0)
        if len(parsed):
            self._append(parsed, [messages.parse(batch.payload(row)).transaction for row in rows[parsed].tolist()])
        four = np.flatnonzero(self.transaction_bytes == JECH_BYTES)
        self.beginning = np.zeros(len(rows), np.uint16)
        self.beginning[four] = self.transactions(four, 2).view(">u2")[:, 0]

    def _append(self, parsed: NDArray[np.intp], transactions: list[bytes]) -> None:
        """Put the transactions of the messages that were parsed behind the batch's bytes."""
        sizes = np.array([len(transaction) for transaction in transactions])
        self.transaction_bytes[parsed] = sizes
        self._at[parsed] = len(self._flat) + np.cumsum(sizes) - sizes
        self._flat = np.concatenate([self._flat, np.frombuffer(b"".join(transactions), np.uint8)])

    def keys(self, which: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the keys of these queries, uint8[len(which), 20]."""
        return self._key[self._rows[which]]

    def transaction(self, i: int) -> bytes:
        """Return the whole transaction of one query."""
        at = int(self._at[i])
        return self._flat[at : at + int(self.transaction_bytes[i])].tobytes()

    def transactions(self, which: NDArray[np.intp], length: int) -> NDArray[np.uint8]:
        """Return the first bytes of the transactions of these queries, uint8[len(which), length]."""
        if not length:
            return np.zeros((len(which), 0), np.uint8)
        found: NDArray[np.uint8] = runs_of(self._flat, length)[self._at[which]].view(np.uint8).reshape(-1, length)
        return found
