"""The plain receiver of the ingest benchmark: gevent sockets, bencode.py, msgpack, LMDB. See bench/README.md.

What one writes on a good day without thinking about speed more than usual: a greenlet for each port that calls
recvfrom, every datagram decoded whole, one record for each lookup, records stored in batches by a thread beside.
"""

from __future__ import annotations

import socket
import struct
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import bencodepy
import gevent
import gevent.socket
import lmdb
import msgpack

from bench.common.usage import cpu_seconds, peak_bytes
from bench.ingest.receiver import QUIET_S, Options, serve

BATCH = 4096
#: Datagrams from one socket before the other greenlets have their turn; recvfrom only waits when nothing is there.
TURN = 64
SLOT = 2048
_KEY = struct.Struct(">QQ")
_TARGET = {b"get_peers": b"info_hash", b"find_node": b"target", b"announce_peer": b"info_hash"}
_DECODE = bencodepy.Bencode().decode
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO_DROPS = 8


class Store:
    """Records by time and number, committed in batches by one thread."""

    def __init__(self, folder: Path) -> None:
        self._env = lmdb.open(str(folder), map_size=16 << 30, lib_version=0)  # the file format that montra writes
        self._pool = ThreadPoolExecutor(1)
        self._commits: list[Future[int]] = []
        self._batch: list[tuple[bytes, bytes]] = []
        self._pack = msgpack.Packer().pack
        self.records = 0

    def add(self, time_ns: int, *fields: object) -> None:
        """Take a record."""
        self._batch.append((_KEY.pack(time_ns, self.records), self._pack(fields)))
        self.records += 1
        if len(self._batch) >= BATCH:
            self._start()

    def close(self) -> int:
        """Commit the rest; return how many records are stored."""
        self._start()
        stored = sum(commit.result() for commit in self._commits)
        self._pool.shutdown()
        self._env.close()
        return stored

    def _start(self) -> None:
        self._commits.append(self._pool.submit(self._commit, self._batch))
        self._batch = []

    def _commit(self, batch: list[tuple[bytes, bytes]]) -> int:
        with self._env.begin(write=True) as transaction:
            _, added = transaction.cursor().putmulti(batch, append=True)
        return int(added)


class Receiver:
    """Reads sockets and stores the lookups."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.received = self.refused = 0
        self.first_ns = self.last_ns = 0

    def read(self, sock: gevent.socket.socket, port: int) -> None:
        """Receive for ever."""
        while True:
            for _ in range(TURN):
                data, source = sock.recvfrom(SLOT)
                self._take(data, source, port)
            gevent.sleep(0)

    def _take(self, data: bytes, source: tuple[str, int], port: int) -> None:
        self.last_ns = time.time_ns()
        if not self.received:
            self.first_ns = self.last_ns
        self.received += 1
        try:
            message = _DECODE(data)
            if message[b"y"] != b"q":
                return
            query, arguments = message[b"q"], message[b"a"]
            key = _TARGET.get(query)
            if key is not None:
                version, read_only = message.get(b"v"), message.get(b"ro", 0)
                fields = (1, port, *source, arguments[b"id"], arguments[key], query, version, read_only)
                self._store.add(self.last_ns, *fields)
        except (bencodepy.BencodeDecodeError, KeyError, TypeError):
            self.refused += 1


def receive(given: Options) -> dict[str, object]:
    """Receive until standard input ends; returns what was counted and how long it took."""
    store = Store(given.folder / "plain.lmdb")
    receiver = Receiver(store)
    sockets = []
    for port in range(given.port, given.port + given.ports):
        sock = gevent.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, given.buffer)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, given.buffer)
        sock.bind(("", port))
        sockets.append(sock)
        gevent.spawn(receiver.read, sock, port)
    gevent.sleep(0)
    print("ready", flush=True)
    used = cpu_seconds()
    gevent.socket.wait_read(0)
    seen = -1
    while seen != receiver.received:
        seen = receiver.received
        gevent.sleep(QUIET_S)
    begin = time.monotonic()
    stored = store.close()
    drain = time.monotonic() - begin
    used = cpu_seconds() - used
    drops = sum(
        struct.unpack_from("I", sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64), 4 * _MEMINFO_DROPS)[0]
        for sock in sockets
    )
    return {
        "received": receiver.received,
        "refused": receiver.refused,
        "lookups": store.records,
        "stored": stored,
        "drops": drops,
        "first": receiver.first_ns / 1e9,
        "last": receiver.last_ns / 1e9,
        "drain": drain,
        "cpu": used,
        "peak_rss": peak_bytes(),
    }


if __name__ == "__main__":
    serve(receive)
