"""Who is in the zone: all sessions ever, as columns in order of their IDs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from montra.simulator.sessions import Sessions
from montra.simulator.settings import NetworkSettings
from zone_store.keyspace.zone import Zone

#: First octets that no client or crawler takes for private, reserved or dark (libtorrent, `dht_ignore_dark_internet`).
_OCTETS = np.array([*range(40, 48), *range(60, 100), *range(110, 127), *range(128, 169), *range(173, 191)], np.uint32)
#: Strangers drawn at once.
_BLOCK = 1024


@dataclass(slots=True)
class Nodes:
    """All sessions that touch the warm-up or the window, sorted by ID.

    node_id: uint8[n, L]; head: uint64[n], the first 64 bits of the ID; ip: uint32[n]; port: uint16[n]; up_ns, down_ns:
    int64[n], down 0 = outlives the window; client: uint8[n], the family's number; reachable: bool[n], answers whoever
    asks.
    """

    node_id: NDArray[np.uint8]
    head: NDArray[np.uint64]
    ip: NDArray[np.uint32]
    port: NDArray[np.uint16]
    up_ns: NDArray[np.int64]
    down_ns: NDArray[np.int64]
    client: NDArray[np.uint8]
    reachable: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.head)

    def alive(self, now_ns: int) -> NDArray[np.bool_]:
        """Return who is up, bool[n]."""
        return np.asarray((self.up_ns <= now_ns) & ((self.down_ns == 0) | (self.down_ns > now_ns)), np.bool_)


def populate(settings: NetworkSettings, rng: np.random.Generator) -> Nodes:
    """Draw the zone's share of the network's nodes; bootstrap nodes are not among them."""
    live = max(2, round(settings.nodes * settings.zone.share))
    from_s, until_s = -settings.warm_up_s, settings.duration_s
    if settings.churn:
        lengths = Sessions.of_quantiles(settings.session_median_s, settings.session_long_s, settings.session_long_share)
        up, down = lengths.intervals(live, from_s, until_s, rng)
    else:
        up, down = np.full(live, from_s), np.full(live, np.inf)
    n = len(up)
    ids = zone_ids(settings.zone, n, rng)
    order = np.lexsort(ids.T[::-1])
    outlives = down >= until_s
    down_ns = settings.start_ns + np.rint(np.where(outlives, 0.0, down) * 1e9).astype(np.int64)
    ip, port = endpoints(n, rng)
    return Nodes(
        node_id=ids[order],
        head=np.ascontiguousarray(ids[order, :8]).view(">u8")[:, 0].astype(np.uint64),
        ip=ip,
        port=port,
        up_ns=settings.start_ns + np.rint(up[order] * 1e9).astype(np.int64),
        down_ns=np.where(outlives, 0, down_ns)[order],
        client=draw_clients(settings.clients, n, rng),
        reachable=rng.random(n) >= settings.unreachable,
    )


def zone_ids(zone: Zone, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw `n` IDs in the zone, uint8[n, L]."""
    ids = rng.integers(0, 256, (n, zone.id_bits // 8), np.uint8)
    whole, bits = divmod(zone.length, 8)
    low = np.frombuffer(zone.low(), np.uint8)
    ids[:, :whole] = low[:whole]
    if bits:
        mask = np.uint8(0xFF >> bits)
        ids[:, whole] = ids[:, whole] & mask | low[whole]
    return ids


def endpoints(n: int, rng: np.random.Generator) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
    """Draw `n` distinct public addresses, anywhere, and ports; most have a /24 for themselves, as on the Internet."""
    ips = np.zeros(0, np.uint32)
    while len(ips) < n:
        drawn = _OCTETS[rng.integers(0, len(_OCTETS), n + 16)] << np.uint32(24)
        drawn |= rng.integers(0, 1 << 16, n + 16, np.uint32) << np.uint32(8)
        drawn |= rng.integers(1, 255, n + 16, np.uint32)
        ips = np.unique(np.concatenate([ips, drawn]))
    return rng.permutation(ips)[:n], rng.integers(1025, 65_536, n).astype(np.uint16)


def draw_clients(mix: Mapping[int, float], n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw families by their shares, uint8[n]."""
    shares = np.array([mix.get(family, 0.0) for family in range(max(mix) + 1)])
    return rng.choice(len(shares), n, p=shares / shares.sum()).astype(np.uint8)


class Strangers:
    """Requesters outside the zone, each at an address of its own."""

    def __init__(self, clients: Mapping[int, float], rng: np.random.Generator) -> None:
        self._clients = clients
        self._rng = rng
        self._drawn: list[tuple[int, int, int]] = []

    def draw(self) -> tuple[int, int, int]:
        """Return the (ip, port, family) of another one."""
        if not self._drawn:
            ips, ports = endpoints(_BLOCK, self._rng)
            clients = draw_clients(self._clients, _BLOCK, self._rng)
            self._drawn = list(zip(ips.tolist(), ports.tolist(), clients.tolist(), strict=True))
        return self._drawn.pop()
