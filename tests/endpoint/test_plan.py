from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from montra.datagrams import ip_number
from montra.endpoint.plan import AddressPlan, PlanError
from montra.monitors.pool import AddressPool


def test_fits_the_pool_that_monitors_ask_for() -> None:
    pool: AddressPool = AddressPlan("127.180.0.1:20880", ["127.180.1.0/24"], "20881")
    assert pool.acquire(b"\1" * 20) == 1


def test_locals_are_address_by_address_with_all_ports() -> None:
    plan = AddressPlan("127.180.0.1:20880", ["127.180.3.9", "127.180.1.4-5", "127.180.1.5"], "20881-20883")
    assert plan.pairs == 9
    assert plan.groups == 2
    assert plan.address(0) == (ip_number("127.180.0.1"), 20880)
    expected = [
        (ip_number(ip), port) for ip in ("127.180.1.4", "127.180.1.5", "127.180.3.9") for port in (20881, 20882, 20883)
    ]
    assert [plan.address(local) for local in range(1, 10)] == expected
    assert plan.group(0) == ip_number("127.180.0.0") >> 8
    assert plan.group(9) == ip_number("127.180.3.0") >> 8
    for local in (-1, 10):
        with pytest.raises(IndexError):
            plan.address(local)


def test_is_own() -> None:
    plan = AddressPlan("127.180.0.1:20880", ["127.180.1.0/30"], "20881-20882")
    crawler, monitor = ip_number("127.180.0.1"), ip_number("127.180.1.3")
    assert plan.is_own(crawler, 20880)
    assert not plan.is_own(crawler, 20881)
    assert plan.is_own(monitor, 20881)
    assert plan.is_own(monitor, 20882)
    assert not plan.is_own(monitor, 20883)
    assert not plan.is_own(monitor + 1, 20881)


def test_are_own() -> None:
    plan = AddressPlan("127.180.0.1:20880", ["127.180.1.0/30"], "20881-20882")
    ips = np.array([ip_number(ip) for ip in ("127.180.0.1", "127.180.0.1", "127.180.1.3", "127.180.1.4")], np.uint32)
    ports = np.array([20880, 20881, 20882, 20881], np.uint16)
    assert plan.are_own(ips, ports).tolist() == [True, False, True, False]


def test_locals_of_unknown_is_minus_one() -> None:
    plan = AddressPlan("127.180.0.1:20880", ["127.180.1.0/30"], "20881-20882")
    names = ["127.180.0.1", "127.180.0.1", "127.180.1.0", "127.180.1.3", "127.180.1.4", "127.180.1.0", "127.180.1.0"]
    ips = np.array([ip_number(name) for name in names], np.uint32)
    ports = np.array([20880, 20881, 20881, 20882, 20881, 20880, 20883], np.uint16)
    found = plan.locals_of(ips, ports)
    assert found.dtype == np.int32
    assert found.tolist() == [0, -1, 1, 8, -1, -1, -1]


@given(st.lists(st.integers(0, 70000), min_size=1, max_size=50))
def test_vectorised_and_scalar_agree(locals_: list[int]) -> None:
    plan = AddressPlan("10.9.9.9:6881", ["10.0.0.0/22", "10.0.9.3-200", "10.1.0.0/24"], "6881-6930")
    asked = np.array([local % (plan.pairs + 1) for local in locals_], np.int64)
    ip, port = plan.addresses_of(asked)
    assert list(zip(ip.tolist(), port.tolist(), strict=True)) == [plan.address(local) for local in asked.tolist()]
    assert plan.locals_of(ip, port).tolist() == asked.tolist()


def test_addresses_of_refuses_locals_outside() -> None:
    plan = AddressPlan("10.9.9.9:6881", ["10.0.0.0/30"], "6881")
    for local in (-1, 5):
        with pytest.raises(IndexError, match=r"0\.\.4"):
            plan.addresses_of(np.array([0, local]))


def test_acquire_release_and_avoid() -> None:
    plan = AddressPlan("127.180.0.1:20880", ["127.180.1.1-2", "127.180.2.1-2"], "20881-20882")
    first = plan.acquire(b"\x10" * 20)
    assert first == 1
    second = plan.acquire(b"\x20" * 20)
    assert second is not None
    assert plan.group(second) != plan.group(first)
    assert plan.held == 2
    # 127.180.1.1 was tried in vain: another /24 first, then another IP, never that one
    got = [plan.acquire(b"\x10" * 20, frozenset({first})) for _ in range(6)]
    addresses = [plan.address(local)[0] for local in got if local is not None]
    assert ip_number("127.180.1.1") not in addresses
    assert len(addresses) == 5
    assert got[-1] is None
    assert {address >> 8 for address in addresses[:3]} == {ip_number("127.180.2.0") >> 8}
    plan.release(first)
    assert plan.acquire(b"\x11" * 20) in (1, 2)
    with pytest.raises(KeyError):
        plan.release(0)


def test_a_million_pairs_are_cheap() -> None:
    begin = time.process_time()
    plan = AddressPlan("10.200.0.1:6881", ["10.0.0.0/14"], "6881-6884")
    assert plan.pairs == 1 << 20
    assert plan.groups == 1024
    rng = random.Random(1)
    held = [plan.acquire(rng.randbytes(20)) for _ in range(5000)]
    assert len(set(held)) == 5000
    assert time.process_time() - begin < 5


def test_thirty_two_thousand_monitors_on_sixteen_groups_stay_apart() -> None:
    plan = AddressPlan("10.200.0.1:6881", ["10.0.0.0/20"], "6881-6890")
    rng = random.Random(3)
    holders = sorted((rng.randbytes(20), 0) for _ in range(8000))
    rng.shuffle(holders)
    placed = sorted((key, plan.group(plan.acquire(key) or 0)) for key, _ in holders)
    groups = [group for _, group in placed]
    assert plan.groups == 16
    # every lookup meets the 8 nearest: no 8 neighbours in ID order share a /24
    assert all(len(set(groups[i : i + 8])) == 8 for i in range(len(groups) - 8))


@pytest.mark.parametrize(
    ("addresses", "right", "says"),
    [
        (["10.0.0.0/20"], 0.87, "16 /24s: observed destinations are right for 87% of lookups or more, inferred ones"),
        (["10.0.0.0/21"], 0.69, "8 /24s: observed destinations are right for 69% of lookups or more"),
        (["10.0.0.0/22"], 0.69, "with 16 /24s observed ones are for 87% or more"),
        (["10.0.0.0/24"], 0.22, "1 /24: observed destinations are right for 22%"),
        (["10.0.0.1"], 0.22, "inferred ones for 97% or more; with 16 /24s"),
    ],
)
def test_describe_says_what_to_expect_of_destinations(addresses: list[str], right: float, says: str) -> None:
    facts = AddressPlan("10.9.9.9:6881", addresses, "6881-6884").describe()
    assert facts["observed_right"] == right
    assert says in str(facts["note"])
    assert facts["pairs"] == int(facts["ips"]) * 4
    assert facts["ports"] == 4
    assert facts["crawler_group_shared"] is False


def test_describe_tells_of_a_crawler_among_the_monitors() -> None:
    assert AddressPlan("10.0.0.9:6881", ["10.0.0.1-8"], "6881").describe()["crawler_group_shared"] is True
    assert AddressPlan("10.0.1.9:6881", ["10.0.0.1-8"], "6881").describe()["crawler_group_shared"] is False


@pytest.mark.parametrize(
    ("crawler", "addresses", "ports", "says"),
    [
        ("127.0.0.1:1", [], "2", "no monitor addresses"),
        ("127.0.0.1", ["127.0.0.2"], "2", "ADDRESS:PORT"),
        ("localhost:1", ["127.0.0.2"], "2", "ADDRESS:PORT"),
        ("127.0.0.1:0", ["127.0.0.2"], "2", "from 1 to 65535"),
        ("127.0.0.1:65536", ["127.0.0.2"], "2", "from 1 to 65535"),
        ("127.0.0.1:x", ["127.0.0.2"], "2", "from 1 to 65535"),
        ("127.0.0.1:1", ["127.0.0.2"], "0", "from 1 to 65535"),
        ("127.0.0.1:1", ["127.0.0.2"], "65530-65536", "from 1 to 65535"),
        ("127.0.0.1:1", ["127.0.0.2"], "9-8", "first is above the last"),
        ("127.0.0.1:1", ["127.0.0.2"], "", "one port or first-last"),
        ("127.0.0.1:1", ["127.0.0.2/99"], "2", "CIDR block"),
        ("127.0.0.1:1", ["127.0.0.2/8"], "2", "127.0.0.0/8"),
        ("127.0.0.1:1", ["127.0.0.0/24"], "2", "also a monitor address"),
        ("127.0.0.1:2", ["127.0.0.1"], "2", "also a monitor address"),
        ("127.0.0.1:1", ["0.0.0.0"], "2", "cannot be a host's own"),
        ("127.0.0.1:1", ["239.1.2.3"], "2", "cannot be a host's own"),
        ("255.255.255.255:1", ["127.0.0.1"], "2", "cannot be a host's own"),
        ("127.0.0.1:1", ["10.0.0.0/8"], "1-1000", "too many"),
    ],
)
def test_bad_plans_say_why_in_one_line(crawler: str, addresses: list[str], ports: str, says: str) -> None:
    with pytest.raises(PlanError) as caught:
        AddressPlan(crawler, addresses, ports)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_for_crawling_has_the_crawler_alone() -> None:
    plan = AddressPlan("10.9.9.9:6881", None, "6881-6890")
    assert (plan.pairs, plan.groups, plan.address(0)) == (0, 0, plan.crawler)
    assert plan.is_own(ip_number("10.9.9.9"), 6881)
    assert not plan.is_own(ip_number("10.0.0.1"), 6881)
    assert plan.acquire(bytes(20)) is None
    ip, port = plan.addresses_of(np.zeros(2, np.int64))
    assert (ip.tolist(), port.tolist()) == ([ip_number("10.9.9.9")] * 2, [6881] * 2)
    assert (ip.dtype, port.dtype) == (np.uint32, np.uint16)
    asked = np.array([ip_number("10.9.9.9"), ip_number("10.0.0.1")], np.uint32)
    assert plan.locals_of(asked, np.array([6881, 6881], np.uint16)).tolist() == [0, -1]
    with pytest.raises(IndexError):
        plan.addresses_of(np.array([1], np.int64))


def test_one_monitor_for_each_ip() -> None:
    plan = AddressPlan("10.9.9.9:6881", ["10.0.0.0/30", "10.0.1.0/31"], "6881-6890", 1)
    assert (plan.pairs, plan.capacity, plan.per_ip) == (60, 6, 1)
    held = [plan.acquire(bytes([i]) * 16) for i in range(7)]
    assert held[6] is None
    ips = [plan.address(local)[0] for local in held if local is not None]
    assert len(set(ips)) == 6
    # another port of an IP in use is not free either, and it is as soon as the first is given back
    ip = ips[2]
    assert plan.acquire_pair(b"\7" * 16, ip, 6885) is None
    assert held[2] is not None
    plan.release(held[2])
    local = plan.acquire_pair(b"\7" * 16, ip, 6885)
    assert local is not None
    assert plan.address(local) == (ip, 6885)
    assert plan.acquire(b"\7" * 16) is None
    plan.release(local)
    assert plan.acquire(b"\7" * 16) == held[2]


def test_without_a_limit_an_ip_holds_as_many_as_it_has_ports() -> None:
    assert AddressPlan("10.9.9.9:6881", ["10.0.0.0/30"], "6881-6890").capacity == 40
    assert AddressPlan("10.9.9.9:6881", ["10.0.0.0/30"], "6881-6890", 3).capacity == 12
    assert AddressPlan("10.9.9.9:6881", ["10.0.0.0/30"], "6881-6890", 99).capacity == 40


def test_ranges_of_addresses_are_looked_for() -> None:
    plan = AddressPlan("10.9.9.9:6881", ["10.0.0.0/30"], "6881")
    first = ip_number("10.0.0.0")
    assert plan.touches(first - 5, first)
    assert plan.touches(first + 3, first + 9)
    assert not plan.touches(first + 4, first + 9)
    assert plan.touches(*[ip_number("10.9.9.9")] * 2)
