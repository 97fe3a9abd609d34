"""A stream between processes: nobody waits, nothing piles up, the end is told once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import gevent
import pytest

from montra.endpoint.pipe import Pipe


class End:
    """What a pipe's owner sees."""

    def __init__(self, end: socket.socket) -> None:
        self.got = b""
        self.frames: list[bytes] = []
        self.asked = 0
        self.ends: list[Exception | None] = []
        self.on_data: Callable[[bytes], None] = lambda _: None
        self.pipe = Pipe(end, self.received, self.more, self.ends.append)

    def received(self, data: bytes) -> None:
        self.got += data
        self.on_data(data)

    def more(self) -> bytes:
        self.asked += 1
        return self.frames.pop(0) if self.frames else b""


@pytest.fixture
def pair() -> Iterator[tuple[End, socket.socket]]:
    ours, theirs = socket.socketpair()
    end = End(ours)
    yield end, theirs
    end.pipe.close()
    theirs.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        gevent.sleep(0.002)


def test_bytes_go_both_ways(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair
    theirs.sendall(b"hello")
    until(lambda: end.got == b"hello")
    end.frames = [b"one", b"two"]
    end.pipe.wake()
    until(lambda: not end.frames)
    gevent.sleep(0.01)
    assert theirs.recv(100) == b"onetwo"


def test_who_does_not_read_costs_one_frame(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair
    end.frames = [bytes([i]) * 100_000 for i in range(100)]
    end.pipe.wake()
    begin = time.monotonic()
    gevent.sleep(0.2)
    assert time.monotonic() - begin < 2, "the loop goes on"
    assert len(end.frames) > 90, "what does not fit stays with its owner"
    asked = end.asked
    gevent.sleep(0.05)
    assert end.asked == asked, "nobody asks while nothing moves"
    theirs.setblocking(False)
    got = b""

    def read() -> bool:
        nonlocal got
        with suppress(BlockingIOError):
            got += theirs.recv(1 << 20)
        return len(got) == 100 * 100_000

    until(read)
    assert got == b"".join(bytes([i]) * 100_000 for i in range(100))


def test_the_end_is_told_once_after_what_came_before_it(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair
    theirs.sendall(b"last")
    theirs.close()
    until(lambda: bool(end.ends))
    gevent.sleep(0.02)
    assert (end.got, end.ends) == (b"last", [None])
    end.pipe.wake()
    gevent.sleep(0.01)


def test_a_peer_that_is_gone_while_we_write_is_an_end(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair
    theirs.close()
    end.frames = [b"x" * 1000]
    end.pipe.wake()
    until(lambda: bool(end.ends))
    assert end.ends == [None]


def test_what_the_owner_raises_ends_it(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair

    def refuse(data: bytes) -> None:
        raise ValueError(data)

    end.on_data = refuse
    theirs.sendall(b"junk")
    until(lambda: bool(end.ends))
    theirs.sendall(b"more")
    gevent.sleep(0.02)
    assert [str(error) for error in end.ends] == ["b'junk'"]
    assert end.got == b"junk"


def test_release_leaves_the_socket_and_the_rest_of_a_frame(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair
    whole = bytes(range(256)) * 8192
    end.frames = [whole]
    end.pipe.wake()
    gevent.sleep(0.05)
    rest = end.pipe.release()
    assert 0 < len(rest) < len(whole)
    assert end.pipe.release() == b""
    theirs.setblocking(False)
    got = b""
    while True:
        try:
            got += theirs.recv(1 << 20)
        except BlockingIOError:
            break
    assert got + rest == whole


def test_finish_reads_what_the_dead_have_left(pair: tuple[End, socket.socket]) -> None:
    end, theirs = pair
    theirs.sendall(b"y" * 150_000)
    theirs.close()
    end.pipe.finish()
    assert end.got == b"y" * 150_000
    end.pipe.close()
