"""`python -m montra.lab.mixed.link CONFIG`: the way between namespaces, and the weather on it.

Each namespace has a TUN device whose other end is a descriptor of this process. A packet that comes out of one goes
into the one whose network its destination is in, after what the weather does to it. tc-netem does the same inside
kernels that have it; small virtual machines often have no packet scheduler at all, and netem cannot be told a seed.
The process ends with its standard input, and writes its counts as a line of JSON then.
"""

from __future__ import annotations

import heapq
import ipaddress
import os
import random
import select
import sys
import time

import msgspec

from montra.lab.mixed.settings import Weather

#: Packets on their way at once; beyond that they are lost, and counted.
MOST_WAITING = 200_000
_PACKET_BYTES = 65536
#: Packets read from one device before the others get their turn, and the due ones leave.
_BURST = 64
_SHORTEST = 20


class LinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """ends: for each network, such as "10.0.0.0/8", the descriptor of the device that leads there."""

    ends: dict[str, int]
    weather: Weather
    seed: int


class LinkCounts(msgspec.Struct, kw_only=True):
    """Packets: passed on; lost and overtaking by the weather; full: lost because too many were on their way;
    unroutable: to an address of no namespace; refused: the kernel did not take them.
    """

    passed: int = 0
    lost: int = 0
    overtook: int = 0
    full: int = 0
    unroutable: int = 0
    refused: int = 0


class Link:
    """Passes packets on. Times are seconds of the caller's clock."""

    def __init__(self, config: LinkConfig) -> None:
        self.counts = LinkCounts()
        self._weather = config.weather
        self._rng = random.Random(config.seed)
        networks = ((ipaddress.IPv4Network(network), fd) for network, fd in config.ends.items())
        self._routes = [(int(network.network_address), int(network.netmask), fd) for network, fd in networks]
        self._route_of: dict[bytes, int] = {}
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._taken = 0

    def take(self, packet: bytes, now_s: float) -> None:
        """Take a packet that came out of a device."""
        weather, rng = self._weather, self._rng
        fd = self._route(packet[16:20]) if len(packet) >= _SHORTEST and packet[0] >> 4 == 4 else -1
        if fd < 0:
            self.counts.unroutable += 1
        elif rng.random() < weather.loss:
            self.counts.lost += 1
        elif len(self._waiting) >= MOST_WAITING:
            self.counts.full += 1
        else:
            delay_s = weather.delay_s
            if weather.reorder and rng.random() < weather.reorder:
                self.counts.overtook += 1
                delay_s = 0.0
            elif weather.jitter_s:
                delay_s += rng.uniform(-weather.jitter_s, weather.jitter_s)
            self._taken += 1
            heapq.heappush(self._waiting, (now_s + delay_s, self._taken, fd, packet))

    def due_s(self) -> float | None:
        """Return when the next packet arrives, None if none is on its way."""
        return self._waiting[0][0] if self._waiting else None

    def arrived(self, now_s: float) -> list[tuple[int, bytes]]:
        """Return the packets that have arrived, each with the device it goes into."""
        packets = []
        while self._waiting and self._waiting[0][0] <= now_s:
            _, _, fd, packet = heapq.heappop(self._waiting)
            packets.append((fd, packet))
        return packets

    def _route(self, address: bytes) -> int:
        fd = self._route_of.get(address)
        if fd is None:
            number = int.from_bytes(address, "big")
            fd = next((fd for network, mask, fd in self._routes if number & mask == network), -1)
            if len(self._route_of) < MOST_WAITING:
                self._route_of[address] = fd
        return fd


def main(arguments: list[str]) -> int:
    """Pass packets on until the input ends; return the exit code."""
    config = msgspec.json.decode(arguments[0], type=LinkConfig)
    link = Link(config)
    poll = select.poll()
    stdin = sys.stdin.fileno()
    for fd in (*config.ends.values(), stdin):
        os.set_blocking(fd, False)
        poll.register(fd, select.POLLIN)
    while True:
        due_s = link.due_s()
        # poll counts whole milliseconds: rounded up, or it would spin until the packet is due
        wait_ms = None if due_s is None else max(0, int((due_s - time.monotonic()) * 1000) + 1)
        for fd, _ in poll.poll(wait_ms):
            if fd == stdin:
                sys.stdout.write(msgspec.json.encode(link.counts).decode() + "\n")
                return 0
            _read(fd, link)
        for fd, packet in link.arrived(time.monotonic()):
            try:
                os.write(fd, packet)
                link.counts.passed += 1
            except OSError:
                link.counts.refused += 1


def _read(fd: int, link: Link) -> None:
    for _ in range(_BURST):
        try:
            packet = os.read(fd, _PACKET_BYTES)
        except BlockingIOError:
            return
        link.take(packet, time.monotonic())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
