"""Who asks a monitor, is in the zone and unknown is asked by the crawler: once."""

from typing import Any

import numpy as np

from montra.datagrams import Counters, DatagramBatch
from montra.monitors.fleet import FleetOutput
from montra.overlays import base as overlays
from montra.window.newcomers import BURST, PER_S, Newcomers
from montra.window.window import Window
from zone_store.captures import Captures, Flag, Kind
from zone_store.keyspace.zone import Zone

SECOND = 1_000_000_000
ZONE = Zone.parse("a4/6")


def id_of(byte: int, second: int = 0) -> bytes:
    return bytes([byte, second]) + b"\x33" * 18


def asking(*rows: tuple[bytes, int, int]) -> Captures:
    """Return captures of (requester's ID, IP, flags), all from port 6881."""
    n = len(rows)
    return Captures(
        np.zeros(n, np.int64),
        np.ones(n, np.uint32),
        np.array([ip for _, ip, _ in rows], np.uint32),
        np.full(n, 6881, np.uint16),
        np.array([list(node_id) for node_id, _, _ in rows], np.uint8).reshape(n, 20),
        np.full((n, 20), 0xA5, np.uint8),
        np.full(n, Kind.LOOKUP, np.uint8),
        np.array([flags for _, _, flags in rows], np.uint16),
        np.zeros(n, np.uint32),
        np.zeros(n, np.uint16),
    )


def test_unknown_nodes_of_the_zone_are_asked_once() -> None:
    newcomers = Newcomers(ZONE)
    rows = asking(
        (id_of(0xA5), 1, 0),
        (id_of(0xA5), 1, 0),
        (id_of(0x10), 2, 0),  # not in the zone
        (id_of(0xA6), 3, int(Flag.READ_ONLY)),
        (id_of(0xA6), 4, int(Flag.FROM_TARGET)),
        (id_of(0xA7), 5, int(Flag.NO_SEED)),
    )
    assert newcomers.take(SECOND, rows) == [(1, 6881, id_of(0xA5)), (5, 6881, id_of(0xA7))]
    assert newcomers.take(2 * SECOND, rows) == []
    # another ID at the address is news, and so is a node that had gone
    assert newcomers.take(3 * SECOND, asking((id_of(0xA4), 1, 0))) == [(1, 6881, id_of(0xA4))]
    newcomers.gone(5, 6881)
    assert newcomers.take(3 * SECOND, rows)[-1] == (5, 6881, id_of(0xA7))


def test_known_nodes_are_not_asked() -> None:
    newcomers = Newcomers(ZONE)
    newcomers.found(id_of(0xA5), 1, 6881)
    assert newcomers.take(SECOND, asking((id_of(0xA5), 1, 0), (id_of(0xA6), 2, 0))) == [(2, 6881, id_of(0xA6))]


def test_a_flood_of_new_names_is_asked_at_a_bounded_rate_and_none_is_forgotten() -> None:
    newcomers = Newcomers(ZONE)
    flood = asking(*((id_of(0xA5, i % 256), 1000 + i, 0) for i in range(BURST + 200)))
    assert len(newcomers.take(SECOND, flood)) == BURST
    assert newcomers.take(SECOND, flood) == []
    assert len(newcomers.take(3 * SECOND, flood)) == 2 * PER_S
    assert len(newcomers.take(3600 * SECOND, flood)) == BURST


class Asked:
    """A crawler that only notes whom it is to ask."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.probes: list[tuple[int, int, bytes]] = []

    def probe(self, now_ns: int, ip: int, port: int, node_id: bytes) -> None:
        self.probes.append((ip, port, node_id))


class Heard:
    """A fleet that heard what it is told; and a recorder that forgets."""

    def __init__(self, captures: Captures) -> None:
        self.counters = Counters()
        self._captures = captures

    def feed(self, now_ns: int, batch: DatagramBatch, scan: object) -> FleetOutput:
        return FleetOutput([], self._captures)

    def captures(self, captures: Captures) -> None:
        pass


def test_the_window_asks_them() -> None:
    crawler, fleet = Asked(), Heard(asking((id_of(0xA5), 1, 0)))
    packets = DatagramBatch.of([(SECOND, 1, 1, 6881, b"junk")])
    overlay: Any = overlays.load("mainline")
    parts: Any = (overlay, crawler, fleet, fleet)
    Window(*parts, losses=bool).feed(SECOND, packets)
    assert crawler.probes == []
    Window(*parts, losses=bool, zone=ZONE).feed(SECOND, packets)
    assert crawler.probes == [(1, 6881, id_of(0xA5))]


def test_where_requests_name_no_requester_nobody_is_asked() -> None:
    everything, nameless = Zone.parse("00/0", 128), asking((bytes(20), 1, 0))
    crawler, fleet = Asked(), Heard(nameless)
    overlay: Any = overlays.load("kad")
    parts: Any = (overlay, crawler, fleet, fleet)
    Window(*parts, losses=bool, zone=everything).feed(SECOND, DatagramBatch.of([(SECOND, 1, 1, 4672, b"junk")]))
    assert crawler.probes == []
