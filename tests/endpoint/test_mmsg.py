from __future__ import annotations

import ctypes
import errno
import socket
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from montra.datagrams import SLOT_BYTES, Counters, ip_number
from montra.endpoint import mmsg
from montra.endpoint.mmsg import Receiver, Sender, errno_name

HOST = "127.180.3.1"


@pytest.fixture
def ours() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.bind((HOST, 0))
        opened.setblocking(False)
        yield opened


def send(sender: Sender, out: socket.socket, to: tuple[str, int], payloads: list[bytes]) -> int:
    n = len(payloads)
    ips = np.full(n, ip_number(to[0]), np.uint32)
    return sender.send(out.fileno(), ips, np.full(n, to[1], np.uint16), payloads, None)


def test_errno_names() -> None:
    assert errno_name(errno.EPERM) == "eperm"
    assert errno_name(99999) == "errno_99999"


def test_receives_in_order_with_sources(ours: socket.socket, peer: socket.socket) -> None:
    counters = Counters()
    receiver = Receiver(8, counters)
    assert receiver.receive(ours.fileno()) is None
    for i in range(20):
        peer.sendto(bytes([i]) * (i + 1), ours.getsockname())
    sizes, seen = [], []
    while (batch := receiver.receive(ours.fileno())) is not None:
        sizes.append(len(batch))
        seen += [batch.buffer[i, : batch.length[i]].tobytes() for i in range(len(batch))]
        assert batch.source_ip.tolist() == [ip_number("127.180.255.1")] * len(batch)
        assert batch.source_port.tolist() == [peer.getsockname()[1]] * len(batch)
        assert not batch.truncated.any()
        # a plain socket: no control messages asked for
        assert batch.control.destination_ip.tolist() == [0] * len(batch)
    assert sizes == [8, 8, 4]
    assert seen == [bytes([i]) * (i + 1) for i in range(20)]
    assert counters.counts == {}


def test_takes_from_one_socket_after_another_until_the_rows_are_full(ours: socket.socket, peer: socket.socket) -> None:
    receiver = Receiver(8, Counters())
    counts, seen = [], []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, 0))
        for to_ours, to_other in ((3, 4), (0, 5), (8, 1), (0, 0)):
            for i in range(to_ours):
                peer.sendto(b"ours %d" % i, ours.getsockname())
            for i in range(to_other):
                peer.sendto(b"other %d" % i, other.getsockname())
            batch = receiver.receive(ours.fileno(), other.fileno())
            assert batch is not None
            counts.append(batch.counts)
            seen.append([batch.buffer[i, : batch.length[i]].tobytes() for i in range(len(batch))])
        assert receiver.receive(ours.fileno(), other.fileno()) is None
    assert counts == [[3, 4], [0, 5], [8], [0, 1]]
    assert seen[0] == [b"ours 0", b"ours 1", b"ours 2", b"other 0", b"other 1", b"other 2", b"other 3"]
    assert seen[2] == [b"ours %d" % i for i in range(8)]
    assert seen[3] == [b"other 0"]


def test_empty_full_and_truncated(ours: socket.socket, peer: socket.socket) -> None:
    lengths = [0, SLOT_BYTES - 1, SLOT_BYTES, SLOT_BYTES + 1, 65507, 1]
    for length in lengths:
        peer.sendto(b"x" * length, ours.getsockname())
    batch = Receiver(16, Counters()).receive(ours.fileno())
    assert batch is not None
    assert batch.length.tolist() == [0, SLOT_BYTES - 1, SLOT_BYTES, SLOT_BYTES, SLOT_BYTES, 1]
    assert batch.truncated.tolist() == [False, False, False, True, True, False]


def test_receive_survives_a_pending_icmp_error(ours: socket.socket, peer: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((HOST, 0))
        nobody = gone.getsockname()
    ours.connect(nobody)
    ours.send(b"anyone?")  # the answer is "port unreachable", reported by the next call
    counters = Counters()
    assert Receiver(4, counters).receive(ours.fileno()) is None
    assert counters.counts == {"receive_econnrefused": 1}


def test_send_survives_a_pending_icmp_error(ours: socket.socket, peer: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((HOST, 0))
        nobody = gone.getsockname()
    ours.connect(nobody)
    ours.send(b"anyone?")
    counters = Counters()
    assert send(Sender(8, counters), ours, peer.getsockname(), [b"one", b"two"]) == 2
    assert [peer.recv(10), peer.recv(10)] == [b"one", b"two"]
    assert counters.counts == {"sent": 2}


def test_closed_socket_is_a_bug_and_raises(ours: socket.socket) -> None:
    number = ours.fileno()
    ours.close()
    with pytest.raises(OSError, match="ebadf"):
        Receiver(4, Counters()).receive(number)
    with pytest.raises(OSError, match="ebadf"):
        Sender(4, Counters()).send(
            number, np.array([ip_number(HOST)], np.uint32), np.array([9], np.uint16), [b"x"], None
        )


def test_sends_more_than_a_chunk_in_order(ours: socket.socket, peer: socket.socket) -> None:
    counters = Counters()
    payloads = [b"%d" % i for i in range(50)] + [b"", b"\0\0", b"z" * 9000]
    assert send(Sender(7, counters), ours, peer.getsockname(), payloads) == 53
    assert [peer.recv(10000) for _ in payloads] == payloads
    assert counters.counts == {"sent": 53}


def test_what_cannot_be_sent_is_counted_and_passed(ours: socket.socket, peer: socket.socket) -> None:
    ip, port = ip_number("127.180.255.1"), peer.getsockname()[1]
    ips = np.array([ip, ip, ip, ip_number("255.255.255.255"), ip], np.uint32)
    ports = np.array([port, port, 0, 9, port], np.uint16)
    payloads = [b"first", b"x" * 65508, b"to port 0", b"broadcast", b"last"]
    counters = Counters()
    assert Sender(8, counters).send(ours.fileno(), ips, ports, payloads, None) == 5
    assert [peer.recv(100), peer.recv(100)] == [b"first", b"last"]
    assert counters.counts.pop("send_eacces") == 1
    assert counters.counts == {"sent": 2, "send_emsgsize": 1, "send_einval": 1}


def scripted(monkeypatch: pytest.MonkeyPatch, name: str, results: list[int]) -> list[int]:
    """Replace a system call: results above 0 are counts, others errno negated. Returns the list of asked counts."""
    asked: list[int] = []
    left = iter(results)

    def call(fd: int, address: int, n: int, flags: int, timeout: None = None) -> int:
        asked.append(n)
        result = next(left)
        if result <= 0:
            ctypes.set_errno(-result)
            return -1
        return result

    monkeypatch.setattr(mmsg, name, call)
    return asked


@pytest.mark.parametrize(
    ("results", "asked", "done", "counts"),
    [
        ([2, 3], [5, 3], 5, {"sent": 5}),  # partial
        ([2, -errno.EAGAIN], [5, 3], 2, {"sent": 2}),
        ([-errno.EAGAIN], [5], 0, {}),
        ([-errno.EINTR, -errno.EINTR, -errno.EINTR, -errno.EINTR, 5], [5] * 5, 5, {"sent": 5}),
        ([-errno.EPERM, 4], [5, 4], 5, {"sent": 4, "send_eperm": 1}),
        ([1, -errno.ENOBUFS, -errno.ENOBUFS, 2], [5, 4, 3, 2], 5, {"sent": 3, "send_enobufs": 2}),
        ([-errno.ECONNREFUSED, 5], [5, 5], 5, {"sent": 5}),
        ([-errno.ENETUNREACH] * 3 + [4], [5, 5, 5, 4], 5, {"sent": 4, "send_enetunreach": 1}),
        ([-errno.ECONNREFUSED, 1, -errno.ECONNREFUSED, 4], [5, 5, 4, 4], 5, {"sent": 5}),
    ],
)
def test_send_errors(
    monkeypatch: pytest.MonkeyPatch, results: list[int], asked: list[int], done: int, counts: dict[str, int]
) -> None:
    called = scripted(monkeypatch, "_sendmmsg", results)
    counters = Counters()
    n = 5
    sender = Sender(16, counters)
    assert sender.send(3, np.ones(n, np.uint32), np.ones(n, np.uint16), [b"x"] * n, None) == done
    assert called == asked
    assert counters.counts == counts


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        ([-errno.EAGAIN], {}),
        ([-errno.EINTR, -errno.EAGAIN], {}),
        ([-errno.ENOMEM, -errno.EAGAIN], {"receive_enomem": 1}),
        ([-errno.ECONNREFUSED] * 16, {"receive_econnrefused": 16}),
    ],
)
def test_receive_errors(monkeypatch: pytest.MonkeyPatch, results: list[int], counts: dict[str, int]) -> None:
    called = scripted(monkeypatch, "_recvmmsg", results)
    counters = Counters()
    assert Receiver(4, counters).receive(3) is None
    assert len(called) == len(results)
    assert counters.counts == counts


def test_headers_are_set_again_after_each_call(ours: socket.socket, free_ports: Callable[[int], range]) -> None:
    """The kernel writes name and control lengths; a shorter name first must not cut the next one off."""
    receiver = Receiver(4, Counters())
    for round_ in range(3):
        for host in ("127.180.3.2", "127.180.3.3"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind((host, 0))
                other.sendto(b"x" * round_, ours.getsockname())
        batch = receiver.receive(ours.fileno())
        assert batch is not None
        assert batch.source_ip.tolist() == [ip_number("127.180.3.2"), ip_number("127.180.3.3")]
        assert batch.length.tolist() == [round_, round_]
