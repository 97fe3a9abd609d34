"""Captures of a window as a run on the Internet would take them, made as arrays: for the store and attribution benches.

What is assumed, so that figures can be judged:

- **Monitors** stand in a zone of 6 bits beside `monitors` targets; attachment numbers follow no order of IDs.
- **Lookups** begin at random. Keys are drawn by Zipf's law (exponent `key_exponent`, `keys` keys in the zone); a tenth
  have a key nobody else asks for. Clients are drawn by a flatter law: each has one address and node ID for the window,
  the mean one `seconds_between` from lookup to lookup in the zone, the busiest some thousand times as many.
- **Clients** are spread over software as in the ingest bench; flags, version and kind follow from it.
- **Copies**: the seven or eight monitors nearest to the key get one each. The first five within 0.6 s (alpha 5), each
  further one a second later, which is libtorrent's time-out for a silent node. Transmission asks each monitor three
  times, ten to fifteen seconds apart. So a lookup's copies lie among those of some thousand others.
- **Singles**: one row in twenty is a target's own keep-alive, a get_peers for its own ID to its monitor only.

Times are to the nanosecond. The first fifteen seconds are thinner than the rest. The same `Mix` gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zone_store.captures import Attachment, Captures, Flag, Kind
from zone_store.keyspace.zone import Zone

ZONE = Zone.parse("a4/6")
#: 2026-11-21T15:00:00Z
START_NS = 1_795_273_200_000_000_000

_ID = 20
_SECOND = 1_000_000_000
_COPIES = 8
_NEIGHBOURS = 32
_LOOKUPS_AT_ONCE = 1 << 14
_WANT_BOTH = Flag.WANT_V4 | Flag.WANT_V6

#: Share of lookups, kind, flags, version, how often each monitor is asked. Shares as in bench/ingest/traffic.py.
_CLIENTS = (
    (0.30, Kind.LOOKUP, Flag(0), b"LT\x02\x08", 1),
    (0.20, Kind.LOOKUP, Flag.NO_SEED, b"LT\x02\x11", 1),
    (0.05, Kind.LOOKUP, Flag.BOOTSTRAP, b"LT\x02\x11", 1),
    (0.10, Kind.LOOKUP, _WANT_BOTH, b"LT\x02\x08", 1),
    (0.08, Kind.LOOKUP, Flag(0), bytes(4), 3),
    (0.07, Kind.LOOKUP, _WANT_BOTH, bytes(4), 3),
    (0.05, Kind.LOOKUP, Flag(0), b"A2\x00\x03", 1),
    (0.10, Kind.LOOKUP, Flag(0), bytes(4), 1),
    (0.05, Kind.NODE_LOOKUP, Flag(0), b"lt\x0d\x80", 1),
)
_SHARES = np.cumsum([row[0] for row in _CLIENTS])
_KINDS = np.array([row[1] for row in _CLIENTS], np.uint8)
_FLAGS = np.array([row[2] for row in _CLIENTS], np.uint16)
_VERSIONS = np.array([int.from_bytes(row[3], "big") for row in _CLIENTS], np.uint32)
_ASKED = np.array([row[4] for row in _CLIENTS])
_MEAN_COPIES = (_COPIES - 0.5) * float(np.dot([row[0] for row in _CLIENTS], _ASKED))


@dataclass(frozen=True, slots=True)
class Mix:
    """What the window is like; see the module. rate: captures a second."""

    rate: float = 10_000.0
    monitors: int = 32_768
    keys: int = 200_000
    key_exponent: float = 0.8
    new_keys: float = 0.1
    seconds_between: float = 600.0
    client_exponent: float = 0.6
    singles: float = 0.05
    seed: int = 1


class Window:
    """The captures of one window. monitor_ids: uint8[monitors, 20], sorted; numbers: their attachments' numbers."""

    def __init__(self, mix: Mix | None = None) -> None:
        self.mix = mix = mix or Mix()
        self._rng = rng = np.random.default_rng(mix.seed)
        ids = _ids_in_zone(rng, mix.monitors)
        self.monitor_ids = ids[np.lexsort(ids.T[::-1])]
        self.numbers = rng.permutation(np.arange(1, mix.monitors + 1, dtype=np.uint32))
        self._words = _words(self.monitor_ids)
        self._keys = _ids_in_zone(rng, mix.keys)
        self._near = self._nearest(self._keys)
        clients = max(16, int(mix.rate * (1 - mix.singles) / _MEAN_COPIES * mix.seconds_between))
        self._client_ids = rng.integers(0, 256, (clients, _ID), np.uint8)
        self._client_ips = rng.integers(0x0B000000, 0xDF000000, clients, np.uint32)
        self._client_ports = rng.integers(1024, 1 << 16, clients, np.uint16)
        self._client_kinds = np.searchsorted(_SHARES, rng.random(clients) * _SHARES[-1]).astype(np.uint8)
        self._target_ips = rng.integers(0x0B000000, 0xDF000000, mix.monitors, np.uint32)
        self._target_ports = rng.integers(1024, 1 << 16, mix.monitors, np.uint16)

    def attachments(self) -> list[Attachment]:
        """Return the attachments by number; all last from the window's start on."""
        targets = self._target_ids()
        found = START_NS - 60 * _SECOND
        rows = np.argsort(self.numbers).tolist()
        ips, ports = self._target_ips.tolist(), self._target_ports.tolist()
        return [
            Attachment(
                number,
                targets[row].tobytes(),
                ips[row],
                ports[row],
                self.monitor_ids[row].tobytes(),
                0x0A000000 + row,
                20_000,
                found,
                found,
                found,
                ((START_NS, 0),),
            )
            for number, row in enumerate(rows, 1)
        ]

    def captures(self, rows: int, batch_rows: int = 1 << 16) -> Iterator[Captures]:
        """Yield the first so many captures in order of time, in batches of `batch_rows` (the last shorter)."""
        left = rows
        ready: list[Captures] = []
        held = 0
        for part in self._in_time_order():
            ready.append(part)
            held += len(part)
            while held >= min(left, batch_rows) > 0:
                joined = Captures.concat(ready, _ID)
                size = min(left, batch_rows)
                yield joined.between(0, size)
                ready, held, left = [joined.between(size, held)], held - size, left - size
            if not left:
                return

    def _in_time_order(self) -> Iterator[Captures]:
        rng = np.random.default_rng(self.mix.seed + 1)
        lasts = round(_LOOKUPS_AT_ONCE * _MEAN_COPIES / (1 - self.mix.singles) / self.mix.rate * _SECOND)
        held = Captures.empty(_ID)
        begin = START_NS
        while True:
            # Copies of these lookups that fall behind the span wait for the next one.
            made = Captures.concat([held, self._lookups(rng, begin, lasts), self._singles(rng, begin, lasts)], _ID)
            begin += lasts
            now = made.time_ns < begin
            ready, held = made.take(now), made.take(~now)
            yield ready.take(np.argsort(ready.time_ns, kind="stable"))

    def _lookups(self, rng: np.random.Generator, begin: int, lasts: int) -> Captures:
        """Return all copies of the lookups that begin within a span, unsorted."""
        n = _LOOKUPS_AT_ONCE
        client = _zipf(rng, n, len(self._client_ips), self.mix.client_exponent)
        key = _zipf(rng, n, len(self._keys), self.mix.key_exponent)
        keys, near = self._keys[key], self._near[key]
        fresh = np.flatnonzero(rng.random(n) < self.mix.new_keys)
        keys[fresh] = _ids_in_zone(rng, len(fresh))
        near[fresh] = self._nearest(keys[fresh])
        start = begin + rng.integers(0, lasts, n)
        delay = np.empty((n, _COPIES), np.int64)
        delay[:, :5] = rng.integers(20_000_000, 600_000_000, (n, 5))
        delay[:, 5:] = rng.integers(0, 300_000_000, (n, _COPIES - 5)) + _SECOND * np.arange(1, _COPIES - 4)
        kind = self._client_kinds[client]
        asked = np.ones((n, _COPIES), bool)
        asked[:, -1] = rng.random(n) < 0.5
        lookup, copy = np.nonzero(asked)
        monitor, time = near[lookup, copy], start[lookup] + delay[lookup, copy]
        again = _ASKED[kind[lookup]] > 1
        later = [time[again] + i * rng.integers(10 * _SECOND, 15 * _SECOND, int(again.sum())) for i in (1, 2)]
        time = np.concatenate([time, *later])
        lookup, monitor = (np.concatenate([x, x[again], x[again]]) for x in (lookup, monitor))
        client, kind = client[lookup], kind[lookup]
        return Captures(
            time,
            self.numbers[monitor],
            self._client_ips[client],
            self._client_ports[client],
            self._client_ids[client],
            keys[lookup],
            _KINDS[kind],
            _FLAGS[kind],
            _VERSIONS[kind],
            np.zeros(len(time), np.uint16),
        )

    def _singles(self, rng: np.random.Generator, begin: int, lasts: int) -> Captures:
        """Return the keep-alives of targets within a span, unsorted."""
        n = round(self.mix.singles * self.mix.rate * lasts / _SECOND)
        row = rng.integers(0, len(self.numbers), n)
        own = self._target_ids()[row]
        return Captures(
            begin + rng.integers(0, lasts, n),
            self.numbers[row],
            self._target_ips[row],
            self._target_ports[row],
            own,
            own.copy(),
            np.full(n, Kind.LOOKUP, np.uint8),
            np.full(n, Flag.FROM_TARGET, np.uint16),
            np.full(n, _VERSIONS[0], np.uint32),
            np.zeros(n, np.uint16),
        )

    def _target_ids(self) -> NDArray[np.uint8]:
        targets = self.monitor_ids.copy()
        targets[:, -1] ^= 1
        return targets

    def _nearest(self, keys: NDArray[np.uint8]) -> NDArray[np.intp]:
        """Return the rows [n, 8] of the monitors nearest to keys, in order of their IDs.

        Sought among the 32 around the key in the order of IDs and by the first eight bytes: nearly always exact.
        """
        words = _words(keys)
        width = min(_NEIGHBOURS, len(self._words))
        first = np.clip(np.searchsorted(self._words, words) - width // 2, 0, len(self._words) - width)
        around = first[:, None] + np.arange(width)
        chosen = np.argpartition(self._words[around] ^ words[:, None], _COPIES - 1, axis=1)[:, :_COPIES]
        return np.take_along_axis(around, np.sort(chosen, axis=1), axis=1)  # sorted: the same with any numpy


def _words(ids: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of IDs as numbers of the same order."""
    return np.ascontiguousarray(ids[:, :8]).view(">u8")[:, 0].astype(np.uint64)


def _ids_in_zone(rng: np.random.Generator, n: int) -> NDArray[np.uint8]:
    ids = rng.integers(0, 256, (n, _ID), np.uint8)
    free = 0xFF >> ZONE.length
    ids[:, 0] = (ids[:, 0] & free) | (ZONE.low()[0] & ~free)
    return ids


def _zipf(rng: np.random.Generator, n: int, values: int, exponent: float) -> NDArray[np.intp]:
    """Return n numbers in 0..values-1, number i drawn with a weight of nearly (i + 1) ** -exponent."""
    power = 1 - exponent
    return (((rng.random(n) * ((values + 1) ** power - 1) + 1) ** (1 / power)) - 1).astype(np.intp)
