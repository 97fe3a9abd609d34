from __future__ import annotations

import socket
from collections.abc import Callable

import numpy as np
import pytest

from montra.datagrams import Counters, Datagram, ip_number
from montra.endpoint.outlet import Outlet
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import Bind, open_sockets

Ports = Callable[[int], range]


def plan_of(ports: range, addresses: list[str]) -> AddressPlan:
    return AddressPlan(f"127.180.0.1:{ports[0]}", addresses, f"{ports[1]}-{ports[-1]}")


def address(plan: AddressPlan, local: int) -> tuple[str, int]:
    ip, port = plan.address(local)
    return socket.inet_ntoa(ip.to_bytes(4, "big")), port


@pytest.mark.parametrize("bind", ["shared", "each"])
def test_each_pair_sends_from_its_own_address(free_ports: Ports, peer: socket.socket, bind: Bind) -> None:
    plan = plan_of(free_ports(4), ["127.180.1.0-66"])
    counters = Counters()
    ip, port = ip_number("127.180.255.1"), peer.getsockname()[1]
    with open_sockets(plan, bind, 1 << 20) as opened:
        outlet = Outlet(plan, opened, 32, counters)
        locals_ = list(np.random.default_rng(5).permutation(plan.pairs + 1))
        assert outlet.send([Datagram(int(local), ip, port, b"%d" % local) for local in locals_]) == []
        got = [peer.recvfrom(100) for _ in locals_]
    assert sorted(int(data) for data, _ in got) == list(range(202))
    assert all(source == address(plan, int(data)) for data, source in got)
    assert counters.counts == {"sent": 202}


def test_unknown_local_is_the_callers_fault(free_ports: Ports) -> None:
    plan = plan_of(free_ports(2), ["127.180.1.1"])
    with open_sockets(plan, "shared", 1 << 20) as opened:
        outlet = Outlet(plan, opened, 8, Counters())
        with pytest.raises(IndexError):
            outlet.send([Datagram(2, ip_number("127.180.255.1"), 9, b"x")])


def test_unsent_rest_is_returned_in_order_and_others_still_go(
    free_ports: Ports, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(free_ports(3), ["127.180.1.1"])
    ip, port = ip_number("127.180.255.1"), peer.getsockname()[1]
    with open_sockets(plan, "shared", 1 << 20) as opened:
        outlet = Outlet(plan, opened, 8, Counters())
        full = opened.bound[1].socket.fileno()
        sender = outlet._sender
        real = sender.send
        monkeypatch.setattr(sender, "send", lambda fd, *columns: 1 if fd == full else real(fd, *columns))
        datagrams = [Datagram(1 + i % 2, ip, port, b"%d" % i) for i in range(6)]
        assert outlet.send(datagrams) == [datagrams[2], datagrams[4]]
        assert [peer.recv(9) for _ in range(3)] == [b"1", b"3", b"5"]
