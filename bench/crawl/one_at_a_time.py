"""A crawler as scripts for Mainline are written: a socket, a queue, sets, and `bencode.py` for every message.

With --window 1 it asks one node at a time and waits for the answer or the time-out, as crawls built on pymdht do; with
more it keeps so many questions open. The questions are montra's: each node of the zone for its own ID, then for a
random one of the zone, each put a second time if it is not answered. It ends when it has found the nodes it is told to
find, when nobody is left to ask, or when its time is over. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import socket
import struct
import time
from collections import deque

import bencodepy

from bench.common.usage import peak_bytes

_CONTACT = struct.Struct(">20sIH")
Address = tuple[str, int]


class Plain:
    """The crawl. `found`: nodes of the zone that answered, by address."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((options.bind, options.port))
        self.socket.setblocking(False)
        self.prefix, self.bits = options.prefix, options.bits
        self.window, self.timeout = options.window, options.timeout
        self.own_id = random.randbytes(20)
        self.found: dict[Address, bytes] = {}
        self.seen: set[Address] = set()
        self.queue: deque[tuple[Address, bytes, int]] = deque()
        self.open: dict[bytes, tuple[Address, bytes, int, float]] = {}
        self.serial = self.sent = self.timeouts = 0

    def in_zone(self, node_id: bytes) -> bool:
        """Tell whether an ID has the zone's first bits."""
        return int.from_bytes(node_id) >> (160 - self.bits) == self.prefix

    def random_id(self) -> bytes:
        """Draw an ID of the zone."""
        free = 160 - self.bits
        return (self.prefix << free | random.getrandbits(free)).to_bytes(20)

    def ask(self) -> None:
        """Send the next question of the queue."""
        address, target, tries = self.queue.popleft()
        self.serial += 1
        transaction = self.serial.to_bytes(4)
        query = {
            b"a": {b"id": self.own_id, b"target": target},
            b"q": b"find_node",
            b"ro": 1,
            b"t": transaction,
            b"y": b"q",
        }
        self.open[transaction] = (address, target, tries + 1, time.monotonic() + self.timeout)
        self.socket.sendto(bencodepy.encode(query), address)
        self.sent += 1

    def take(self) -> None:
        """Read the answers that are there, at most as many as are open."""
        for _ in range(len(self.open)):
            try:
                data, address = self.socket.recvfrom(2048)
            except BlockingIOError:
                return
            message = bencodepy.decode(data)
            question = self.open.pop(message.get(b"t"), None)
            if question is None or question[0] != address or message[b"y"] != b"r":
                continue
            self.answered(address, question[1], message[b"r"])

    def answered(self, address: Address, target: bytes, values: dict[bytes, bytes]) -> None:
        """Take in a reply: the node, and whom it names."""
        node_id = values[b"id"]
        if self.in_zone(node_id):
            self.found[address] = node_id
            if target == node_id:
                self.queue.append((address, self.random_id(), 0))
        for contact, ip, port in _CONTACT.iter_unpack(values[b"nodes"]):
            named = (socket.inet_ntoa(ip.to_bytes(4)), port)
            # outside the zone only while nobody inside is known: the way in
            if named not in self.seen and (self.in_zone(contact) or not self.found):
                self.seen.add(named)
                self.queue.append((named, contact if self.in_zone(contact) else self.random_id(), 0))

    def give_up(self, now: float) -> None:
        """Put overdue questions once more, and drop them after that."""
        for transaction, (address, target, tries, deadline) in list(self.open.items()):
            if deadline > now:  # all wait equally long, so the oldest come first
                break
            del self.open[transaction]
            self.timeouts += 1
            if tries < 2:
                self.queue.append((address, target, tries))

    def run(self, bootstrap: Address, wanted: int, seconds: float) -> float:
        """Crawl; return the seconds it took."""
        begin = time.monotonic()
        self.queue.append((bootstrap, self.random_id(), 0))
        while (self.queue or self.open) and len(self.found) < wanted:
            while self.queue and len(self.open) < self.window:
                self.ask()
            now = time.monotonic()
            if now - begin > seconds:
                break
            first = next(iter(self.open.values()))[3]
            if select.select([self.socket], [], [], max(0.0, first - now))[0]:
                self.take()
            else:
                self.give_up(time.monotonic())
        return time.monotonic() - begin


def main() -> None:
    """Read the options, crawl, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--prefix", type=int, required=True)
    parser.add_argument("--bits", type=int, required=True)
    parser.add_argument("--window", type=int, default=1)
    parser.add_argument("--timeout", type=float, required=True)
    parser.add_argument("--wanted", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--cpu", type=int, default=-1)
    parser.add_argument("--nodes", required=True)
    options = parser.parse_args()
    if options.cpu >= 0:
        os.sched_setaffinity(0, {options.cpu})
    host, _, port = options.bootstrap.rpartition(":")
    plain = Plain(options)
    before = time.process_time()
    seconds = plain.run((host, int(port)), options.wanted, options.seconds)
    cpu = time.process_time() - before
    with open(options.nodes, "wb") as file:
        for (ip, node_port), node_id in plain.found.items():
            file.write(node_id + socket.inet_aton(ip) + node_port.to_bytes(2))
    result = {
        "seconds": seconds,
        "cpu": cpu,
        "rss_mib": peak_bytes() / 2**20,
        "sent": plain.sent,
        "timeouts": plain.timeouts,
        "over": seconds < options.seconds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
