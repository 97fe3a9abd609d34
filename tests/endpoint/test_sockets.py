from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable
from typing import Any

import pytest

from montra.endpoint import sockets as module
from montra.endpoint.plan import AddressPlan
from montra.endpoint.sockets import BoundSocket, EndpointError, open_sockets

Ports = Callable[[int], range]


def plan_of(ports: range, addresses: list[str], crawler: str = "127.180.0.1") -> AddressPlan:
    """The first port is the crawler's, the others the monitors'."""
    return AddressPlan(f"{crawler}:{ports[0]}", addresses, f"{ports[1]}-{ports[-1]}")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_shared_opens_one_socket_a_port(free_ports: Ports) -> None:
    ports = free_ports(4)
    before = open_files()
    with open_sockets(plan_of(ports, ["127.180.1.0/24"]), receive_buffer_bytes=65536) as opened:
        assert len(opened) == 4
        assert [b.local for b in opened.bound] == [0, -1, -1, -1]
        names = [b.socket.getsockname() for b in opened.bound]
        assert names == [("127.180.0.1", ports[0])] + [("0.0.0.0", port) for port in ports[1:]]
        assert opened.receive_buffer_bytes == 65536
        assert all(not b.socket.getblocking() for b in opened.bound)
    assert open_files() == before


def test_each_opens_one_socket_a_pair(free_ports: Ports) -> None:
    ports = free_ports(3)
    plan = plan_of(ports, ["127.180.1.1-3"])
    with open_sockets(plan, "each", 65536) as opened:
        assert len(opened) == 7
        names = [b.socket.getsockname() for b in opened.bound]
        assert names[0] == ("127.180.0.1", ports[0])
        assert names[1:] == [(f"127.180.1.{i}", port) for i in (1, 2, 3) for port in ports[1:]]
        assert [b.local for b in opened.bound] == list(range(7))


@pytest.mark.parametrize("bind", ["shared", "each"])
def test_port_taken_is_one_clear_line_and_closes_the_rest(free_ports: Ports, bind: module.Bind) -> None:
    ports = free_ports(4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.180.1.2", ports[3]))
        before = open_files()
        with pytest.raises(EndpointError) as caught:
            open_sockets(plan_of(ports, ["127.180.1.1-3"]), bind)
        assert open_files() == before
    assert "another socket has the port" in str(caught.value)
    assert str(ports[3]) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bind", ["shared", "each"])
def test_address_of_another_host_is_refused(free_ports: Ports, bind: module.Bind) -> None:
    before = open_files()
    with pytest.raises(EndpointError, match=r"192\.0\.2\.1 is no address of this host") as caught:
        open_sockets(plan_of(free_ports(2), ["127.180.1.1", "192.0.2.1"]), bind)
    assert "ip route add local" in str(caught.value)
    assert open_files() == before
    with pytest.raises(EndpointError, match=r"192\.0\.2\.9:\d+: 192\.0\.2\.9 is no address"):
        open_sockets(plan_of(free_ports(2), ["127.180.1.1"], "192.0.2.9"), bind)


def test_large_plans_are_checked_at_the_ends_of_each_subnet(free_ports: Ports) -> None:
    with pytest.raises(EndpointError, match=r"198\.18\.0\.0 is no address"):
        open_sockets(plan_of(free_ports(2), ["127.180.16.0/20", "198.18.0.0/22"]))


def test_freebind_takes_addresses_that_are_not_there_yet(free_ports: Ports) -> None:
    ports = free_ports(2)
    with open_sockets(plan_of(ports, ["192.0.2.1"]), "each", 65536, freebind=True) as opened:
        assert opened.bound[1].socket.getsockname() == ("192.0.2.1", ports[1])


def test_crawler_port_among_shared_ports_is_refused(free_ports: Ports) -> None:
    ports = free_ports(2)
    plan = AddressPlan(f"127.180.0.1:{ports[1]}", ["127.180.1.1"], f"{ports[0]}-{ports[1]}")
    with pytest.raises(EndpointError, match="give the crawler another port"):
        open_sockets(plan)
    with open_sockets(plan, "each", 65536) as opened:
        assert len(opened) == 3


def test_crawler_only_asks_nothing_of_the_monitors(free_ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (40, 40))
    port = free_ports(1)[0]
    plan = AddressPlan(f"127.180.0.1:{port}", ["192.0.2.0/24"], str(port))
    for bind in ("shared", "each"):
        with open_sockets(plan, bind, 65536, crawler_only=True) as opened:
            assert [b.socket.getsockname() for b in opened.bound] == [("127.180.0.1", port)]


def test_too_few_files_are_named_before_anything_is_opened(free_ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1024))
    before = open_files()
    with pytest.raises(EndpointError) as caught:
        open_sockets(plan_of(free_ports(5), ["127.180.1.0/24"]), "each")
    assert str(caught.value).startswith("1025 sockets need 1089 file descriptors, the limit is 1024: raise it")
    assert open_files() == before


def test_soft_limit_is_raised_as_far_as_needed(free_ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (70, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append(limits))
    with open_sockets(plan_of(free_ports(3), ["127.180.1.1-8"]), "each", 65536):
        assert asked == [(17 + 64, 4096)]


def test_receive_buffer_without_the_privilege_is_what_the_kernel_grants(
    free_ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unprivileged(socket.socket):
        def setsockopt(self, *args: Any) -> None:
            if args[1] == 33:  # SO_RCVBUFFORCE
                raise PermissionError(1, "Operation not permitted")
            super().setsockopt(*args)

    monkeypatch.setattr(socket, "socket", Unprivileged)
    with open_sockets(plan_of(free_ports(2), ["127.180.1.1"]), receive_buffer_bytes=32768) as opened:
        assert opened.receive_buffer_bytes == 32768


def test_drop_counter_differences_and_wrap() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        bound = BoundSocket(any_socket, 1, -1)
        assert bound.kernel_drops() == 0
        assert [bound.account(n) for n in (0, 5, 5, 9)] == [0, 5, 0, 4]
        assert bound.account(7) == 0  # told late
        bound.dropped = (1 << 32) - 3
        assert bound.account(4) == 7
        assert bound.dropped == (1 << 32) + 4


@pytest.mark.parametrize("bind", ["shared", "each"])
def test_a_process_without_the_crawler_leaves_its_address_to_another(free_ports: Ports, bind: module.Bind) -> None:
    ports = free_ports(3)
    plan = plan_of(ports, ["127.180.1.1-2"])
    with (
        open_sockets(plan, bind, 65536, crawler_only=True) as crawler,
        open_sockets(plan, bind, 65536, monitors_only=True) as monitors,
    ):
        assert crawler.bound[0].socket.getsockname() == ("127.180.0.1", ports[0])
        assert monitors.bound[0].local == 0
        assert monitors.bound[0].socket.getsockname()[1] == 0, "not bound"
        assert len(monitors) == (3 if bind == "shared" else 5)
