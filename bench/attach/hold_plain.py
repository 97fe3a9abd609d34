"""The plain way to hold monitors, for comparison: for each one a greenlet, a socket and a timer.

Straightforward Python with gevent and the usual bencoding library: what the table, the wheel and the shared sockets of
montra stand against. The same introductions, keep-alives, answers and captures.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any, ClassVar

import bencodepy
import gevent
import gevent.event
import gevent.socket

from bench.attach import place
from bench.attach.holder import Meter, Options, memory, options
from montra.datagrams import ip_number, ip_text

_SECOND_S = 0.2


class Counts:
    """What all monitors count together."""

    introductions = keep_alives = answered = visible = 0
    late: ClassVar[list[float]] = []


class Monitor:
    """One monitor beside one target."""

    def __init__(self, i: int, target_id: bytes, keep_alive_s: float, captures: Any) -> None:
        ip, port = place.target(i)
        self.target = (ip_text(ip), port)
        self.target_id = target_id
        self.own_id = target_id[:-1] + bytes((target_id[-1] ^ 1,))
        self.keep_alive_s = keep_alive_s
        self.captures = captures
        self.visible = False
        self.transaction = b""
        self.socket = gevent.socket.socket(gevent.socket.AF_INET, gevent.socket.SOCK_DGRAM)
        self.socket.bind((ip_text(ip_number(place.MONITORS) + i), place.MONITOR_PORT))

    def run(self) -> None:
        """Introduce, then keep alive and answer for ever."""
        self.ask({b"id": self.own_id, b"target": self.own_id}, b"find_node")
        Counts.introductions += 1
        due, queries = time.monotonic() + _SECOND_S, 1
        while True:
            self.socket.settimeout(max(0.0, due - time.monotonic()))
            try:
                data, source = self.socket.recvfrom(2048)
            except (gevent.socket.timeout, BlockingIOError):
                if queries < 2:
                    self.ask({b"id": self.own_id, b"target": self.own_id}, b"find_node")
                    Counts.introductions += 1
                else:
                    Counts.late.append(time.monotonic() - due)
                    self.ask({b"id": self.own_id}, b"ping")
                    Counts.keep_alives += 1
                queries += 1
                due = time.monotonic() + self.keep_alive_s * random.uniform(0.9, 1.1)
                continue
            self.hear(data, source)

    def ask(self, arguments: dict[bytes, bytes], method: bytes) -> None:
        """Send a query to the target."""
        self.transaction = os.urandom(4)
        query = {b"a": arguments, b"q": method, b"t": self.transaction, b"y": b"q"}
        self.socket.sendto(bencodepy.encode(query), self.target)

    def hear(self, data: bytes, source: tuple[str, int]) -> None:
        """Take in one packet."""
        try:
            message = bencodepy.decode(data)
            if message[b"y"] == b"r":
                nodes = message[b"r"].get(b"nodes", b"")
                if source == self.target and message[b"t"] == self.transaction and self.own_id in nodes:
                    Counts.visible += not self.visible
                    self.visible = True
                return
            arguments = message[b"a"]
            key = arguments.get(b"info_hash") or arguments.get(b"target")
            if key:
                row = (time.time_ns(), self.own_id, source, arguments[b"id"], key, message.get(b"v"))
                self.captures.write(f"{row}\n")
            if source == self.target:
                values = {b"id": self.own_id} | ({b"nodes": b""} if key else {})
                self.socket.sendto(bencodepy.encode({b"r": values, b"t": message[b"t"], b"y": b"r"}), source)
                Counts.answered += 1
        except (bencodepy.BencodeDecodeError, KeyError, TypeError):
            return


def hold(given: Options) -> dict[str, object]:
    """Attach, hold until standard input ends; returns what was counted and how long it took."""
    meter = Meter()
    ids = place.read_ids(given.ids)
    path = Path(given.folder) / "captures"
    with path.open("w") as captures:
        print("ready", flush=True)
        greenlets = []
        for i in range(given.monitors):
            greenlets.append(gevent.spawn(Monitor(i, ids[i].tobytes(), given.keep_alive, captures).run))
            if i % max(1, int(given.rate / 100)) == 0:
                gevent.sleep(0.01)
        while Counts.visible < given.monitors:
            gevent.sleep(0.1)
        meter.held()
        gevent.socket.wait_read(0)
        result: dict[str, object] = dict(meter.steady())
        gevent.killall(greenlets)
    late = sorted(Counts.late) or [0.0]
    return result | {
        "peak": memory()["peak"],
        "captures": sum(1 for _ in path.open()),
        "fleet": {"introductions": Counts.introductions, "keep_alives": Counts.keep_alives},
        "late_p999_s": late[int(0.999 * (len(late) - 1))],
        "late_max_s": late[-1],
    }


if __name__ == "__main__":
    print(json.dumps(hold(options())))
